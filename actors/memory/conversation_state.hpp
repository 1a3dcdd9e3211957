#pragma once
// Where a turn of a conversation stands, as an explicit machine.
//
// Whoever follows a conversation must know what to expect next: text, tools, a person's message, or
// nothing good. The table of changes is in README.md. Pure.

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string_view>

namespace troupe {

enum class turn_state : std::uint8_t {
  awaiting_input,     ///< nothing is under way
  streaming_response, ///< the model is asked, and its text goes to the user
  processing_tools,   ///< what the model asked for is being done
  error_recovery,     ///< something failed, and the turn goes on in another way
};

/// `processing_tools`, as it stands in events. Never empty.
std::string_view to_string(turn_state s) noexcept;

/// Whether a turn may go from `from` to `to`.
bool may_follow(turn_state from, turn_state to) noexcept;

/// One turn's way through the states.
class turn_machine {
public:
  turn_state now() const noexcept { return now_; }

  /// @returns the state that it leaves; `internal` where this change is not in the table
  result<turn_state> go(turn_state to);

private:
  turn_state now_ = turn_state::awaiting_input;
};

} // namespace troupe
