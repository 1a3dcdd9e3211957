// Which answers are passed on: see wire_error.hpp.

#include "actors/llm/answer.hpp"
#include "actors/llm/wire_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace troupe {
namespace {

/// Bytes of a server's finish_reason in an error.
constexpr std::size_t reason_max = 40;

enum class ending : std::uint8_t { whole, calls, length, filtered, overflow, unknown };

// Servers are many, and their words more: what is not on the list is no end of an answer, as
// "error", "abort" and "insufficient_system_resource" are none.
ending ending_of(std::string_view reason) {
  constexpr std::array<std::pair<std::string_view, ending>, 25> all{{
    {"", ending::whole}, // a whole body that leaves it out
    {"stop", ending::whole},
    {"eos", ending::whole},       // Together
    {"eos_token", ending::whole}, // TGI
    {"end_turn", ending::whole},
    {"stop_sequence", ending::whole},
    {"complete", ending::whole}, // Cohere
    {"tool_calls", ending::calls},
    {"tool_call", ending::calls},
    {"tool_use", ending::calls},
    {"function_call", ending::calls},
    {"length", ending::length},
    {"max_tokens", ending::length},
    {"max_output_tokens", ending::length},
    {"model_length", ending::length}, // Mistral
    {"content_filter", ending::filtered},
    {"refusal", ending::filtered},
    {"safety", ending::filtered}, // Google's, through gateways
    {"recitation", ending::filtered},
    {"blocklist", ending::filtered},
    {"prohibited_content", ending::filtered},
    {"spii", ending::filtered},
    {"sensitive", ending::filtered}, // GLM
    {"model_context_window_exceeded", ending::overflow},
    {"context_length_exceeded", ending::overflow},
  }};
  auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  for (auto [word, meant] : all)
    if (std::equal(reason.begin(), reason.end(), word.begin(), word.end(), same))
      return meant;
  return ending::unknown;
}

// What keeps an answer that ended as `how` from being one.
std::optional<error> ended_badly(const model_answer& a, ending how) {
  switch (how) {
    case ending::filtered:
      return error{errc::failed, fmt::format("the content filter stopped the answer ({})",
                                             head_of(a.finish_reason, reason_max))};
    case ending::length:
      return error{errc::output_too_large,
                   fmt::format("the answer was cut after {} tokens (finish_reason length): raise "
                               "max_tokens or ask for less",
                               a.output_tokens)};
    case ending::overflow:
      return context_overflow("the answer was cut where its window was full");
    case ending::unknown:
      return error{errc::unavailable,
                   fmt::format("the model's server broke the answer off, or ended it for an "
                               "unknown reason (finish_reason {})",
                               head_of(a.finish_reason, reason_max)),
                   certainty::unknown};
    case ending::whole:
    case ending::calls:
      break;
  }
  return std::nullopt;
}

// A call without a name is nobody's; with arguments it was somebody's.
std::optional<error> check_calls(model_answer& a, ending how) {
  auto empty = [](const model_tool_call& c) { return c.name.empty() && c.arguments.empty(); };
  auto& calls = a.tool_calls;
  calls.erase(std::remove_if(calls.begin(), calls.end(), empty), calls.end());
  if (calls.size() > tool_calls_max)
    return too_many_calls();
  for (const auto& c : calls)
    if (c.name.empty())
      return unreadable_answer("a tool call has no name");
  if (how == ending::calls && calls.empty() && a.text.empty())
    return unreadable_answer("it says that it calls tools, and has no call");
  return std::nullopt;
}

} // namespace

result<model_answer> checked_answer(model_answer answer, std::string_view refusal) {
  if (!refusal.empty())
    return error{errc::failed, "the model refuses: " + head_of(refusal, server_words_max)};
  auto how = ending_of(answer.finish_reason);
  if (auto why = ended_badly(answer, how))
    return std::move(*why);
  if (auto why = check_calls(answer, how))
    return std::move(*why);
  // Servers call tools and say `stop`, and the other way round.
  answer.finish_reason = answer.tool_calls.empty() ? "stop" : "tool_calls";
  return answer;
}

} // namespace troupe
