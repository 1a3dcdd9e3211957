#pragma once
// The one timer of a troupe.
//
// A delayed message of CAF cannot be called back and keeps the memory of a dead actor until it is
// due. So actors that wait (sleeping agents, pauses between attempts, deadlines) arm a timer here
// instead: `arm_timer`, `disarm_timers` and `timer_fired` of runtime/core/messages.hpp.
//
// Due times are UTC, because durable timers outlive the process. The actor sleeps towards the
// earliest of them on the steady clock, but never longer than `look_every`, so that it notices when
// somebody sets the UTC clock: what has become due fires, what has not waits on.
//
// An actor must disarm its timers in `on_exit`: until then the timer keeps its memory.

#include "runtime/core/clock.hpp"
#include "runtime/telemetry/events.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <chrono>
#include <cstddef>

namespace troupe {

struct timer_options {
  /// Armed at once, some 200 bytes each. An actor that asks for one more is ended with an error:
  /// it would wait for ever otherwise.
  std::size_t timers_max = 5'000'000;
  /// Longest sleep between two looks at the UTC clock.
  std::chrono::milliseconds look_every{60'000};
};

/// Ends by an exit message. `clock` and `events` outlive it.
caf::actor spawn_timer(caf::actor_system& system, const time_source& clock, event_sink& events,
                       timer_options options = {});

} // namespace troupe
