#pragma once
// A conversation that its caller keeps and sends as a whole with each turn: what of it still goes to
// the model. Pure.
//
// It has a window like one that the agent keeps (conversation.hpp). What is kept or dropped is a turn:
// from a user's message to the next, with all calls of tools and their results in between, since no
// provider takes the one without the other. What the system says before the first turn stays, and so
// does the last turn, which is the question.

#include "actors/memory/conversation.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// What a picture is taken to cost: as providers count one of a thousand pixels square, about.
inline constexpr std::int64_t image_tokens = 1'000;

struct caller_context {
  using message_list = std::vector<std::string>; ///< in the spelling of Chat Completions, JSON texts

  message_list before;              ///< of the system, in front of the first turn
  std::vector<message_list> turns;  ///< oldest first, without the last one
  message_list last;                ///< from the last message of a user on
};

caller_context read_context(std::vector<std::string> messages);

/// Text, calls and pictures of messages, estimated.
std::int64_t tokens_in(const std::vector<std::string>& messages);

/// Where all of it, with `coming` tokens of the last turn, is above `tokens_max`: takes out the oldest turns. How many goes up in steps of half
/// a window, so that the same beginning is asked with for many turns (README.md says why).
/// @returns what has fallen out, oldest first
std::vector<kept_turn> slide(caller_context& c, std::int64_t coming, std::int64_t tokens_max);

/// Takes the older half of the turns out, at least one where there is one.
std::vector<kept_turn> halve(caller_context& c);

/// Cuts the results of tools in `messages` to half their length where that leaves `bytes_min` bytes.
/// @returns whether any was cut
bool halve_results(std::vector<std::string>& messages, std::size_t bytes_min);

} // namespace troupe
