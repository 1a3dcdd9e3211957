#pragma once
// What doubles answer.

#include "runtime/core/json.hpp"
#include "runtime/core/result.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace troupe::kit {

/// What a scripted service, tool or model does with one call.
struct scripted_answer {
  std::chrono::milliseconds latency{1};
  bool effect = true;                              ///< counts as done to the world
  bool silent = false;                             ///< never answers (the reply is lost)
  result<std::string> value = std::string{"null"}; ///< what it answers, JSON text
  bool crash = false; ///< the actor before it dies, after the effect where there is one
  /// Of a model: names and arguments (JSON text) of the tools that it wants called.
  std::vector<std::pair<std::string, std::string>> tool_calls{};

  /// The same, later.
  scripted_answer after(std::chrono::milliseconds d) const {
    auto later = *this;
    later.latency = d;
    return later;
  }
};

/// It does it, and answers with this.
inline scripted_answer says_json(std::string json) {
  scripted_answer a;
  a.value = std::move(json);
  return a;
}
template <class T>
scripted_answer says(const T& value) {
  return says_json(to_json(value));
}
/// Of a model: it wants tools to be called, by names and arguments (JSON text).
inline scripted_answer calls_tools(std::vector<std::pair<std::string, std::string>> calls,
                                   const std::string& text = {}) {
  auto a = says(text);
  a.tool_calls = std::move(calls);
  return a;
}
inline scripted_answer calls_tool(std::string tool, std::string arguments = "{}") {
  return calls_tools({{std::move(tool), std::move(arguments)}});
}
/// It fails and has done nothing, or (`certainty::unknown`) nobody can say.
inline scripted_answer fails(errc code, std::string why = "as scripted",
                             certainty known = certainty::definite) {
  scripted_answer a;
  a.effect = false;
  a.value = error{code, std::move(why), known};
  return a;
}
/// It does nothing and says nothing.
inline scripted_answer hangs() {
  scripted_answer a;
  a.effect = false;
  a.silent = true;
  return a;
}
/// It does it, and the answer is lost: the nasty one.
inline scripted_answer acts_and_hangs(std::string json = "null") {
  auto a = says_json(std::move(json));
  a.silent = true;
  return a;
}
/// The actor that serves the call dies before anything is done.
inline scripted_answer crashes() {
  auto a = hangs();
  a.crash = true;
  return a;
}

} // namespace troupe::kit
