#include "tests/kit/process.hpp"

#include "actors/guard/breaker_child.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/journal/replay.hpp"

#include <caf/send.hpp>

#include <optional>

namespace troupe::kit {
namespace {

/// A parked effect is looked at after this time: longer than anything is under way.
constexpr std::chrono::seconds look_after{30};

/// What a person must know to decide.
struct parked_effect {
  journal::address at;
  utc_time since{};
  std::string service;
  journal::payload asked;
};

std::optional<parked_effect> parked_in(std::vector<journal::row> rows) {
  std::map<journal::address, journal::command> commands; // of the last generation
  for (const auto& row : rows)
    for (const auto& e : row.entries) {
      if (std::holds_alternative<journal::generation_began>(e))
        commands.clear();
      else if (const auto* c = std::get_if<journal::command>(&e))
        commands.try_emplace(c->at, *c); // where it is sent again, that holds no arguments
    }
  journal::replay past{std::move(rows)};
  const auto* open = past.undecided();
  auto i = open == nullptr ? commands.end() : commands.find(open->at);
  if (i == commands.end())
    return std::nullopt;
  return parked_effect{open->at, open->since, "tool:" + i->second.name, i->second.detail};
}

} // namespace

process::process(world& w, far_side& far, const production& p, std::uint64_t seed)
  : here_(std::make_shared<stage*>(nullptr)),
    tools_(std::make_shared<std::map<std::string, caf::actor>>()) {
  auto o = p.options;
  o.seed = seed;
  for (const auto& s : p.services)
    o.services.push_back(far.service(s.name, s.cls, s.reconciles, here_));
  stage_ = std::make_unique<stage>(w, std::move(o));
  *here_ = stage_.get();
  if (!p.tools.empty())
    open_workshop(far, p);
}

void process::open_workshop(far_side& far, const production& p) {
  const auto& env = stage_->env();
  supervisor_setup setup{env, {}, {}, stage_->timer()};
  setup.options.name = "workshop";
  for (const auto& o : p.tools) {
    auto service = tool_service_name(o.name);
    auto parts = far.tool(*stage_, service);
    auto guards = make_tool_guards(o, env);
    child_spec child;
    child.options.id = "tools." + o.name;
    child.service = service;
    child.info = service_info_of(o);
    child.start = [&env, o, parts, guards, tools = tools_, timer = stage_->timer(),
                   &system = stage_->system()](const child_start& with) {
      tool_setup t{env, o, parts, timer, with.supervisor, with.id, with.checkpoint,
                   guards};
      auto born = spawn_tool(system, std::move(t));
      if (born)
        (*tools)[with.id] = *born;
      return born;
    };
    setup.children.push_back(
      breaker_child(stage_->system(), env, stage_->timer(), child.options.id, guards.gate));
    setup.children.push_back(std::move(child));
  }
  stage_->keep(spawn_supervisor(stage_->system(), std::move(setup)).value());
}

void process::kill_tool(std::mt19937_64& chance) {
  if (tools_->empty())
    return;
  auto one = std::next(tools_->begin(), static_cast<long>(chance() % tools_->size()));
  caf::anon_send_exit(one->second, chance() % 2 == 0 ? caf::exit_reason::kill
                                                     : caf::exit_reason::unhandled_exception);
}

void resolve_parked(stage& on, far_side& far) {
  store::filter parked;
  parked.state = store::status::parked;
  auto& store = on.log().store();
  for (const auto& r : records_of(store, parked)) {
    auto open = parked_in(rows_of(store, r.no));
    if (!open || on.now() - open->since < look_after)
      continue;
    const auto& asked = open->asked;
    auto body = asked.stored ? store.load_blob(asked.hash).value() : asked.text;
    far.settle(on.now());
    resolve_request decision;
    decision.id = store::invocation_id(store.tag(), r.no);
    decision.decision = far.happened(open->service, body) > 0 ? journal::verdict::done
                                                              : journal::verdict::not_done;
    decision.value = did(body);
    (void)on.ask<command_reply>(std::move(decision));
  }
}

} // namespace troupe::kit
