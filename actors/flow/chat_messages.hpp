#pragma once
// What goes into a chat agent (`class = "chat"`), what comes out, and what it tells on the way.
//
// One invocation is one turn: the user's message in, the whole answer out, with all tool calls in
// between. Either the agent keeps the history, `{"conversation":"c-17","message":"Where is it?"}`,
// or the caller does, `{"messages":[..]}`, as clients of Chat Completions do.

#include "runtime/core/json.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// A tool that the caller would carry out itself: the turn ends when the model asks for it.
struct chat_tool {
  std::string name;
  std::optional<std::string> description;
  std::optional<raw_json> parameters; ///< JSON Schema; none: no arguments
};
BOOST_DESCRIBE_STRUCT(chat_tool, (), (name, description, parameters))

/// One turn. Exactly one of `message` and `messages` is there.
struct chat_input {
  /// Which conversation, where the agent keeps them (`key = "conversation"` in its topology entry).
  /// With `messages` it only orders turns, and may be missing: nothing is read or saved.
  std::optional<std::string> conversation;
  std::optional<std::string> message;
  /// URLs (`https:`, or `data:image/png;base64,..`) beside `message`. Seen in this turn; what is
  /// kept of the conversation says only that they were there.
  std::optional<std::vector<std::string>> images;
  /// All of the conversation, in the spelling of Chat Completions, see actors/llm/question.hpp. The
  /// agent's own system prompt is put before it.
  std::optional<std::vector<raw_json>> messages;

  // What the caller may ask for beside the topology's settings; all of it goes to the model.
  std::optional<std::vector<chat_tool>> tools;
  /// `auto`; `none`: none of the caller's tools; `required`: the turn ends with a call of one of them.
  std::optional<std::string> tool_choice;
  std::optional<bool> parallel_tool_calls; ///< false: one of the caller's tools at a time
  std::optional<raw_json> schema; ///< of the answer; in place of the agent's `output`
  std::optional<double> temperature;
  std::optional<std::int64_t> max_tokens; ///< of each answer of the model
};
BOOST_DESCRIBE_STRUCT(chat_input, (),
                      (conversation, message, images, messages, tools, tool_choice,
                       parallel_tool_calls, schema, temperature, max_tokens))

/// A call that the caller is to carry out, spelled as in Chat Completions but flat.
struct chat_tool_call {
  std::string id;
  std::string name;
  std::string arguments; ///< a JSON object; mended where the model's was none
};
BOOST_DESCRIBE_STRUCT(chat_tool_call, (), (id, name, arguments))

/// The answer.
struct chat_output {
  std::string text; ///< with a schema: the value as JSON text
  /// `stop`; `tool_calls`: `calls` are the caller's to do, then it asks again with their results in
  /// `messages`; `limit`: the answer was given because `turns_max` or `tool_calls_max` was reached;
  /// `degraded`: no model answered, `text` is what the topology says for that.
  std::string finish = "stop";
  std::vector<chat_tool_call> calls; ///< only with `tool_calls`
  std::int64_t tool_calls_made = 0;  ///< by the agent, in this turn
  std::int64_t model_calls = 0;      ///< in this turn
  std::int64_t input_tokens = 0;     ///< of all model calls of this turn, summaries included
  std::int64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(chat_output, (),
                      (text, finish, calls, tool_calls_made, model_calls, input_tokens,
                       output_tokens))

// -- events, as followers of the invocation see them ----------------------------------------------

/// The conversation is in another state; see actors/memory/conversation_state.hpp.
struct chat_state_event {
  std::string event = "state";
  std::string state;
  std::string from;
};
BOOST_DESCRIBE_STRUCT(chat_state_event, (), (event, state, from))

/// Earlier turns are not told to the model any more.
struct chat_window_event {
  std::string event = "window.slid";
  std::int64_t forgotten = 0; ///< turns
  bool summary = false;       ///< it gets one of them, unless the summary's model fails
};
BOOST_DESCRIBE_STRUCT(chat_window_event, (), (event, forgotten, summary))

struct chat_tool_started {
  std::string event = "tool.started";
  std::string call; ///< the model's id of it
  std::string tool; ///< as the topology names it
};
BOOST_DESCRIBE_STRUCT(chat_tool_started, (), (event, call, tool))

struct chat_tool_finished {
  std::string event = "tool.finished";
  std::string call;
  std::string tool;
  std::string result = "ok"; ///< or the error's code; `denied` by a person
};
BOOST_DESCRIBE_STRUCT(chat_tool_finished, (), (event, call, tool, result))

/// The turn waits for a person: `troupe approve ID`, or the signal `approve`.
struct chat_approval_wanted {
  std::string event = "approval.wanted";
  std::string call;
  std::string tool;
  raw_json arguments;
};
BOOST_DESCRIBE_STRUCT(chat_approval_wanted, (), (event, call, tool, arguments))

/// The value of the signal `approve`.
struct chat_approval {
  bool approved = true;
  std::optional<std::string> reason; ///< the model is told
  std::optional<std::string> call;   ///< which one; none: the one that waits longest
};
BOOST_DESCRIBE_STRUCT(chat_approval, (), (approved, reason, call))

} // namespace troupe
