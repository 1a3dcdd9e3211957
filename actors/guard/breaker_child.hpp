#pragma once
// The actor of a breaker as a supervisor's child.

#include "actors/guard/breaker.hpp"
#include "actors/supervision/supervisor.hpp"

#include <memory>
#include <string>

namespace troupe {

/// A specification of the child that stands before `id`, the one that the breaker guards, under the
/// same supervisor. `system` and `env` outlive it.
child_spec breaker_child(caf::actor_system& system, const environment& env, caf::actor timer,
                         const std::string& id, std::shared_ptr<breaker> gate);

} // namespace troupe
