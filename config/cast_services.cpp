#include "config/cast_services.hpp"

#include "actors/guard/breaker_child.hpp"
#include "actors/guard/limiter_actor.hpp"
#include "actors/llm/llm_endpoint.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/tool/mcp_client.hpp"
#include "actors/tool/tool.hpp"

#include <caf/actor_system.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>

namespace troupe::config {
namespace {

constexpr std::string_view tools_prefix = "tools.";
constexpr std::string_view models_prefix = "models.";
constexpr std::string_view mcp_prefix = "mcp.";

/// What was wrong, and with whom.
error at(std::string_view id, error why) {
  why.message = fmt::format("{}: {}", id, why.message);
  return why;
}

/// Makes child specifications. What they need is copied into them: they live as long as the
/// supervisor that restarts by them.
class maker {
public:
  explicit maker(const services_setup& setup) : setup_(setup) {}

  /// @param guards its breaker and limiter, where it has them, are added
  result<child_spec> child(const child_options& o, std::vector<child_spec>& guards) const {
    auto id = std::string_view{o.id};
    auto name = std::string{id.substr(id.find('.') + 1)};
    auto made = id.starts_with(tools_prefix)    ? tool(o.id, name, guards)
                : id.starts_with(models_prefix) ? model(o.id, name, guards)
                : id.starts_with(mcp_prefix)    ? mcp(name)
                                                : inner(name);
    if (!made)
      return at(id, std::move(made).error());
    made->options = o;
    return made;
  }

  result<supervisor_setup> supervisor(const std::string& name) const {
    auto found = setup_.what.supervisors.find(name);
    if (found == setup_.what.supervisors.end())
      return error{errc::not_found, fmt::format("there is no supervisor '{}'", name)};
    supervisor_setup out{setup_.env, found->second, {}, setup_.timer};
    out.options.name = name;
    for (const auto& o : found->second.children) {
      if (!setup_.mcp && o.id.starts_with(mcp_prefix))
        continue;
      auto spec = child(o, out.children);
      if (!spec)
        return std::move(spec).error();
      out.children.push_back(std::move(*spec));
    }
    return out;
  }

private:
  result<child_spec> tool(const std::string& id, const std::string& name,
                          std::vector<child_spec>& before) const {
    auto options = setup_.what.tools.at(name);
    options.name = name;
    // The backend is kept over restarts: what is in flight there has not died.
    auto parts = setup_.backends.tool(options, outside());
    if (!parts)
      return std::move(parts).error();
    auto guards = make_tool_guards(options, setup_.env);
    before.push_back(
      breaker_child(setup_.system, setup_.env, setup_.timer, id, guards.gate));
    child_spec spec;
    spec.service = tool_service_name(name);
    spec.info = service_info_of(options);
    spec.start = [&system = setup_.system, &env = setup_.env, timer = setup_.timer,
                  parts = std::move(*parts), options, guards](const child_start& s) {
      return spawn_tool(system, tool_setup{env, options, parts, timer, s.supervisor, s.id,
                                           s.checkpoint, guards});
    };
    return spec;
  }

  result<child_spec> model(const std::string& id, const std::string& name,
                           std::vector<child_spec>& before) const {
    auto options = setup_.what.models.at(name);
    options.name = name;
    auto backend = setup_.backends.model(options, outside());
    if (!backend)
      return std::move(backend).error();
    auto gate = make_llm_breaker(options, setup_.env);
    auto meter = make_llm_limiter(options, setup_.env);
    before.push_back(breaker_child(setup_.system, setup_.env, setup_.timer, id, gate));
    before.push_back(
      limiter_child(setup_.system, setup_.timer, id, "limiter:" + name, meter));
    child_spec spec;
    spec.service = "llm:" + name;
    spec.info = llm_service_info(options);
    spec.start = [&system = setup_.system, &env = setup_.env, timer = setup_.timer,
                  backend = std::move(*backend), options, gate, meter, callers = callers(),
                  shares = shares(),
                  budgets = setup_.budgets,
                  answers = make_answer_cache(options)](const child_start& s) {
      return result<caf::actor>{
        start_llm_endpoint(system, llm_setup{env, timer, options, backend, gate, s.supervisor,
                                             s.id, s.checkpoint, meter, callers, budgets, shares, answers})};
    };
    return spec;
  }

  std::shared_ptr<const llm_callers> callers() const {
    auto out = std::make_shared<llm_callers>();
    for (const auto& [name, a] : setup_.what.agents)
      out->emplace(name, llm_caller{a.tenant, a.priority, a.share});
    return out;
  }

  std::shared_ptr<const tenant_shares> shares() const {
    auto out = std::make_shared<tenant_shares>();
    for (const auto& [name, t] : setup_.what.tenants)
      out->emplace(name, t.share);
    return out;
  }

  result<child_spec> mcp(const std::string& name) const {
    auto options = setup_.what.mcp.at(name);
    options.name = name;
    child_spec spec;
    spec.service = mcp_service_name(name);
    spec.info = mcp_service_info(options);
    spec.start = [&system = setup_.system, &env = setup_.env, timer = setup_.timer,
                  http = setup_.transport, catalog = setup_.catalog, options](const child_start&) {
      auto connect = [options, http, &env] { return make_mcp_transport(options, *http, env.clock); };
      return result<caf::actor>{
        spawn_mcp_client(system, mcp_setup{env, options, connect, timer, http, catalog})};
    };
    return spec;
  }

  result<child_spec> inner(const std::string& name) const {
    auto made = supervisor(name);
    if (!made)
      return std::move(made).error();
    child_spec spec;
    spec.start
      = [&system = setup_.system, setup = std::make_shared<supervisor_setup>(std::move(*made))](
          const child_start&) { return spawn_supervisor(system, *setup); };
    return spec;
  }

  backend_setup outside() const {
    return {setup_.system, setup_.env, setup_.what, setup_.timer, setup_.transport};
  }

  const services_setup& setup_;
};

} // namespace

void await_mcp_servers(const services_setup& setup) {
  caf::scoped_actor self{setup.system};
  std::vector<std::pair<caf::actor, std::chrono::milliseconds>> asked;
  auto begun = setup.env.clock.steady();
  for (const auto& [name, options] : setup.what.mcp)
    if (auto found = setup.env.services.find(mcp_service_name(name)))
      asked.emplace_back(found->handle, options.start_timeout);
  for (const auto& [client, patience] : asked) { // they start side by side
    auto spent = std::chrono::floor<std::chrono::milliseconds>(setup.env.clock.steady() - begun);
    if (spent < patience)
      self->request(client, patience - spent, mcp_await_first{})
        .receive([](const mcp_status&) {}, [](const caf::error&) {});
  }
}

result<caf::actor> start_services(const services_setup& setup) {
  auto root = maker{setup}.supervisor(std::string{root_supervisor});
  if (!root)
    return std::move(root).error();
  root->on_give_up = setup.on_fatal;
  return spawn_supervisor(setup.system, std::move(*root));
}

} // namespace troupe::config
