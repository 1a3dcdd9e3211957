#include "actors/memory/conversation_state.hpp"

#include <fmt/format.h>

namespace troupe {

std::string_view to_string(turn_state s) noexcept {
  switch (s) {
    case turn_state::awaiting_input:
      return "awaiting_input";
    case turn_state::streaming_response:
      return "streaming_response";
    case turn_state::processing_tools:
      return "processing_tools";
    case turn_state::error_recovery:
      return "error_recovery";
  }
  return "?";
}

bool may_follow(turn_state from, turn_state to) noexcept {
  using enum turn_state;
  switch (from) {
    case awaiting_input:
      return to == streaming_response;
    case streaming_response:
      return to != streaming_response;
    case processing_tools:
      return to == streaming_response || to == error_recovery;
    case error_recovery:
      return to == streaming_response || to == awaiting_input;
  }
  return false;
}

result<turn_state> turn_machine::go(turn_state to) {
  if (!may_follow(now_, to))
    return error{errc::internal, fmt::format("a turn cannot go from {} to {}", to_string(now_),
                                             to_string(to))};
  auto from = now_;
  now_ = to;
  return from;
}

} // namespace troupe
