#pragma once
// Takes the mail of a service while it is down.
//
// Between a death and the restart callers would get "unavailable", and each would have to try
// again. So the supervisor puts a stand-in under the service's name in the directory: it keeps
// requests, up to a bound, and hands them to the successor, which answers the callers directly.
// While the service is up, nobody talks to the stand-in, and a call costs nothing more.

#include "runtime/core/env.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <cstdint>

namespace troupe {

/// Begins by keeping; see `relieve_stand_in` and `hold_mail`. What it still holds at its end is
/// answered with `unavailable`, definitely: nothing has happened.
///
/// @param mail_max requests kept; above it callers get `overloaded`
caf::actor spawn_stand_in(caf::actor_system& system, const environment& env,
                          std::uint32_t mail_max);

} // namespace troupe
