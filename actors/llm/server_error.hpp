#pragma once
// What a model's server says is wrong, whichever shape it says it in. Shared by all wires; private
// to this folder.

#include <initializer_list>
#include <string>
#include <string_view>

namespace troupe {

/// A server's own words. What it leaves out is empty.
struct server_error {
  std::string message;
  std::string type;  ///< also Google's `status`
  std::string param; ///< also the place in the body that FastAPI names
  std::string code;
  int status = 0; ///< a code that is an HTTP status: how errors within a stream say theirs

  bool says(std::string_view word) const { return code == word || type == word; }
  /// Whether the message or the parameter holds one of `words`, which are lower case.
  bool mentions(std::initializer_list<std::string_view> words) const;
};

/// From a body or an event: `{"error":{..}}` (OpenAI, Anthropic), `{"error":".."}` (Ollama),
/// `[{"error":{..}}]` (Gemini), `{"object":"error","message":..}` (vLLM, SGLang, Mistral),
/// `{"detail":..}` (FastAPI), a bare sentence; with what OpenRouter passes on from the server
/// behind it. Empty where it is none of these.
server_error read_server_error(std::string_view json);

} // namespace troupe
