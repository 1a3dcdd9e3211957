#pragma once
// What a chat agent and its model say to each other about tools. Pure.
//
// A model can put right what it is told in words: which argument was wrong, that somebody refused,
// that nobody knows whether it happened and it must not be tried again. An error's code and its text
// are made into such words here. And models have rules for names that tools do not keep
// (`fs.read_file` has a dot), so each tool has a spelling.

#include "actors/flow/chat_messages.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "runtime/core/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::chat {

/// A function that the model wants called; spelled as the endpoint tells it and is told.
struct wanted_function {
  std::string name;
  std::string arguments;
};
BOOST_DESCRIBE_STRUCT(wanted_function, (), (name, arguments))

struct wanted_call {
  std::string id;
  std::string type;
  wanted_function function;
};
BOOST_DESCRIBE_STRUCT(wanted_call, (), (id, type, function))

/// What the endpoint says that the model said.
struct reply {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::optional<std::vector<wanted_call>> tool_calls;
};
BOOST_DESCRIBE_STRUCT(reply, (), (text, input_tokens, output_tokens, tool_calls))

/// What is wrong with an input that has the right shape: both messages and a message, and so on.
std::optional<error> misfit(const chat_input& in);

/// Where a tool of the caller's is called as one of the agent's `own`: nobody could tell whose is meant.
std::optional<error> taken_name(const chat_input& in, const std::vector<std::string>& own);

/// What is wrong with `messages` in it, by its place; nothing of the content is repeated.
std::optional<error> misspelled(const chat_input& in);

/// `name` as models allow it: letters, digits, `_`, `-`, at most 64 of them.
std::string spelling(std::string_view name);

/// The same with a number at its end, not longer.
std::string with_number(std::string_view spelled, int n);

/// Spelling for models (letters, digits, `_`, `-`, at most 64) to name. The same names give the same
/// spellings, in any process.
std::map<std::string, std::string> spellings(const std::vector<std::string>& names);

/// `{"name":..,"description":..,"parameters":..}` as the body of a model call has it.
std::string offer(std::string_view spelling, const catalog_entry& tool);

/// The arguments as a JSON object: as spelled, or mended where that can be done in one way only.
/// @returns `invalid_input`, for the model
result<std::string> arguments_of(std::string_view spelled);

/// A result as the model reads it: a text as it is, else JSON; cut at `bytes_max`, and it is told so.
std::string result_words(std::string_view json, std::size_t bytes_max);

/// A failed call, and what can be done about it.
std::string failure_words(const error& why);

/// A person has said no, or nobody has said anything.
std::string denied_words(const std::optional<std::string>& reason, bool in_time);

/// The model asks for something that is not there.
std::string unknown_tool_words(std::string_view spelled,
                               const std::map<std::string, std::string>& known);

/// Added to a result that has come `times` times.
std::string loop_words(std::uint32_t times);

/// The result of a call that came before in the same message, and was not made twice.
std::string repeated_words(std::string_view result);

/// So many calls of one message were looked at, and the others were not.
std::string dropped_words(std::size_t taken, std::size_t dropped);

/// Said to a model that has answered with nothing.
inline constexpr std::string_view empty_answer_words = "Your last message was empty. Answer with what "
                                                       "you have.";

/// `{"role":"tool",..}`.
std::string tool_message(std::string_view call_id, std::string_view content);

/// `{"role":"assistant",..}` with the calls that it asked for.
std::string assistant_message(std::string_view text, const std::vector<wanted_call>& calls);

/// A user's message with its images.
std::string user_message(std::string_view text, const std::vector<std::string>& images);

/// Whether nothing waits any more: the turn was cancelled, or has no time left.
bool is_ending(const error& why) noexcept;

/// Whether the model could not take that many messages; less of them may do.
bool is_too_long(const error& why) noexcept;

} // namespace troupe::chat
