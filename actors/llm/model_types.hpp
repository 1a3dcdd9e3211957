#pragma once
// What is said to a model, and what it says, whichever API carries it.

#include "actors/guard/server_limits.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Tool calls in one answer; more is a model gone wild.
inline constexpr std::size_t tool_calls_max = 128;

/// A tool that the model wants to be called.
struct model_tool_call {
  std::string id;   ///< by which the result refers to it
  std::string name;
  std::string arguments; ///< as the model spelled them: perhaps no JSON

  bool operator==(const model_tool_call&) const = default;
};

/// A picture in a message.
struct model_image {
  std::string url; ///< `https:`, or `data:image/png;base64,..`

  bool operator==(const model_image&) const = default;
};

/// One turn of a conversation.
struct model_message {
  std::string role; ///< `system`, `user`, `assistant`, `tool`
  std::string content;
  std::vector<model_image> images{};            ///< of a user
  std::vector<model_tool_call> tool_calls{};    ///< of an assistant
  std::string tool_call_id{};                   ///< of a tool: whose result `content` is

  bool operator==(const model_message&) const = default;
};

/// A tool that a model may ask for.
struct model_tool {
  std::string name;
  std::string description;
  std::string parameters; ///< JSON Schema of its arguments, JSON text

  bool operator==(const model_tool&) const = default;
};

/// A piece of an answer, as it arrives.
struct model_delta {
  enum class kind : std::uint8_t { text, reasoning, tool_call };
  kind what = kind::text;
  std::string_view text; ///< of a tool call: a piece of its arguments
  std::size_t call = 0;  ///< of a tool call: which one
};

/// One question to a model.
struct model_request {
  std::vector<model_message> messages;
  std::string schema; ///< JSON Schema of the answer, JSON text; empty: words will do
  std::vector<model_tool> tools{};
  std::string tool_choice{}; ///< `auto`, `none`, `required`, or empty: as the model likes
  std::optional<double> temperature{};
  std::int64_t max_tokens = 0; ///< of the answer; 0: as the model likes
  /// The outcome tells usage also where there is a schema: text with the value, as JSON text.
  bool whole = false;
  /// Which of the endpoint's API keys it goes with.
  std::size_t key = 0;
  /// Told what the server says of that key's limits, once, before `done` and like it.
  std::function<void(const server_limits&)> on_limits{};
  /// When the endpoint gives up; a backend may hold its socket a little longer.
  std::chrono::milliseconds timeout{60'000};
  /// Asks for a stream, and gets its pieces in order, before `done`. On the backend's thread; must
  /// not block or throw.
  std::function<void(const model_delta&)> on_delta{};
};

/// What the model said. Where a schema was asked for, `text` should be JSON; nobody has checked.
struct model_answer {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::string finish_reason = "stop"; ///< `stop`, `tool_calls`
  std::string model{};                ///< as the far side names it; may be empty
  std::vector<model_tool_call> tool_calls{};
  std::string reasoning{};         ///< what it thought on the way, where it tells
  std::int64_t cached_tokens = 0;  ///< of the input, those that the far side had kept
};

} // namespace troupe
