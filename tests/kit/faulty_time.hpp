#pragma once
// Clocks that misbehave: what machines do whose time is set, or that are stopped for a while.

#include "tests/kit/world.hpp"

namespace troupe::kit {

/// The wall clock (UTC) of all stages on `w` is set forward, or back where `by` is negative. The
/// steady clock does not notice.
void jump_wall_clock(world& w, std::chrono::microseconds by);

/// The whole machine sleeps for `how_long`: nothing runs meanwhile, the wall clock has gone on when
/// it wakes, and the steady clock stood still with it. What lay in its buffers is still there.
void pause_machine(world& w, std::chrono::milliseconds how_long);

} // namespace troupe::kit
