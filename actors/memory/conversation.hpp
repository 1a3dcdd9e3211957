#pragma once
// What is kept of a conversation between two turns, its window, and what falls out of it. Pure.

#include "runtime/core/clock.hpp"
#include "runtime/core/json.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// One turn, without the tools that were called on the way: what they brought is in the answer.
struct kept_turn {
  std::string user;
  std::string assistant;
};
BOOST_DESCRIBE_STRUCT(kept_turn, (), (user, assistant))

/// The saved state of a conversation: all that its next turn needs.
/// The window comes first in its JSON: a state that grows near its end is stored in new pieces only
/// (runtime/journal, Chains).
struct conversation {
  std::vector<kept_turn> window; ///< oldest first
  std::int64_t turns = 0;     ///< in all
  std::int64_t forgotten = 0; ///< of them; told in `summary`, where there is one
  std::int64_t spoke_at = 0;  ///< UTC microseconds of the last turn's beginning
  std::string summary;
};
BOOST_DESCRIBE_STRUCT(conversation, (), (window, summary, turns, forgotten, spoke_at))

/// Whether nobody has spoken for longer than `ttl` (0: never too long).
bool expired(const conversation& c, utc_time now, std::chrono::milliseconds ttl) noexcept;

/// What the window and the summary cost in each model call.
std::int64_t tokens_in(const conversation& c) noexcept;

/// Where the window, together with `coming` tokens, is above `tokens_max`: takes the oldest turns out
/// until it is at most half of that. In steps, not turn by turn; README.md says why.
/// @returns what has fallen out, oldest first
std::vector<kept_turn> slide(conversation& c, std::int64_t coming, std::int64_t tokens_max);

/// Takes the older half out, at least one turn; for a model whose context was too small after all.
std::vector<kept_turn> halve(conversation& c);

/// A message in the spelling of Chat Completions, JSON text.
std::string text_message(std::string_view role, std::string_view text);

/// The conversation as messages: `system` (unless empty), the summary, the window.
std::vector<std::string> messages_of(const conversation& c, std::string_view system);

/// What to ask a model for a summary of `fallen`, after `before` (may be empty).
std::string summary_prompt(std::string_view before, const std::vector<kept_turn>& fallen);

} // namespace troupe
