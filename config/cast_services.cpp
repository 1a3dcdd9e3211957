#include "config/cast_services.hpp"

#include "actors/llm/llm_endpoint.hpp"
#include "actors/tool/tool.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <fmt/format.h>

namespace troupe::config {

result<caf::actor> start_services(const services_setup& s) {
  std::vector<caf::actor> all;
  for (const auto& [name, o] : s.what.tools) {
    auto options = o;
    options.name = name;
    auto parts = make_tool_parts(options, s.env, *s.transport);
    if (!parts)
      return std::move(parts).error();
    auto actor = spawn_tool(s.system, tool_setup{s.env, options, *parts, s.timer});
    if (!actor)
      return std::move(actor).error();
    s.env.services.put(tool_service_name(name), *actor, service_info_of(options));
    all.push_back(*actor);
  }
  for (const auto& [name, o] : s.what.models) {
    auto options = o;
    options.name = name;
    auto backend = make_model_backend(s.system, s.env, s.timer, options, s.transport);
    if (!backend)
      return std::move(backend).error();
    all.push_back(start_llm_endpoint(s.system, llm_setup{s.env, s.timer, options, *backend}));
  }
  return s.system.spawn([all](caf::event_based_actor* self) -> caf::behavior {
    self->attach_functor([all](const caf::error&) {
      for (const auto& a : all)
        caf::anon_send_exit(a, caf::exit_reason::user_shutdown);
    });
    return {[](int) {}};
  });
}

} // namespace troupe::config
