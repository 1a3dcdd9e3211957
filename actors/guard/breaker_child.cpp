#include "actors/guard/breaker_child.hpp"

#include "actors/guard/breaker_actor.hpp"

namespace troupe {

child_spec breaker_child(caf::actor_system& system, const environment& env, caf::actor timer,
                         const std::string& id, std::shared_ptr<breaker> gate) {
  child_spec spec;
  spec.options.id = "breakers." + id;
  spec.service = breaker_service_name(gate->service());
  spec.start = [&system, &env, timer = std::move(timer),
                gate = std::move(gate)](const child_start& s) {
    return result<caf::actor>{
      spawn_breaker(system, breaker_setup{gate, env, timer, s.supervisor, s.id, s.checkpoint})};
  };
  return spec;
}

} // namespace troupe
