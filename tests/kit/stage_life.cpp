// How a life of a stage begins and ends.

#include "tests/kit/stage_parts.hpp"

#include "actors/tool/function_backend.hpp"
#include "actors/tool/http_backend.hpp"
#include "actors/tool/tool.hpp"
#include "config/plugins.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit {
namespace {

// Virtual runs begin on a fixed day, so that traces do not depend on when they are made.
constexpr utc_time first_day{std::chrono::microseconds{1'700'000'000'000'000}};

/// The topology of a stage that has none: the agents of its options.
config::topology topology_of(const stage_options& o) {
  config::topology t;
  if (o.topology) {
    t = *o.topology;
  } else {
    t.dispatcher = o.dispatcher;
    t.store.retention = o.retention;
    t.supervisors[std::string{config::root_supervisor}] = {};
  }
  for (const auto& a : o.agents)
    t.agents[a.name] = a;
  return t;
}

stage_options played(config::parse_result read) {
  if (!read)
    throw failure{"the topology is wrong:\n" + config::render(read.problems)};
  if (auto problems = config::load_code(*read.value); !problems.empty())
    throw failure{"the topology's code is not there:\n" + config::render(problems)};
  stage_options o;
  o.topology = std::make_shared<const config::topology>(std::move(*read.value));
  return o;
}

config::env_lookup lookup_in(std::map<std::string, std::string> variables) {
  return [all = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    auto found = all.find(name);
    return found == all.end() ? std::nullopt : std::optional{found->second};
  };
}

template <class Double>
const Double* find_double(const std::vector<Double>& all, std::string_view name) {
  auto found
    = std::find_if(all.begin(), all.end(), [&](const Double& d) { return d.name() == name; });
  return found == all.end() ? nullptr : &*found;
}

} // namespace

stage_options play_text(std::string_view toml, std::map<std::string, std::string> variables) {
  return played(config::parse_topology(toml, "stage.toml", lookup_in(std::move(variables))));
}

stage_options play_file(const std::filesystem::path& file,
                        std::map<std::string, std::string> variables) {
  return played(config::load_topology(file, lookup_in(std::move(variables))));
}

utc_time stage_time::now() const {
  return first_day + of_world() + outside_.wall_ahead;
}

std::chrono::microseconds stage_time::since() const {
  if (clock == nullptr)
    return {};
  return std::chrono::duration_cast<std::chrono::microseconds>(clock->now() - begin);
}

void stage_events::write(const event& e) {
  all_.push_back({clock_.of_world(), e});
  times_.push_back(clock_.now());
  trace_.add(clock_.of_world(), e);
}

const std::vector<std::string>& stage_events::lines() {
  for (auto i = lines_.size(); i < all_.size(); ++i)
    lines_.push_back(to_json_line(all_[i].what, times_[i]));
  return lines_;
}

stage_system_config::stage_system_config() {
  set("scheduler.policy", caf::atom("testing"));
  set("logger.verbosity", caf::atom("quiet"));
}

stage::parts::parts(world& outside, const stage_options& o, std::uint64_t lives)
  : outside(outside), options(o), time(outside), own({.seed = o.seed + lives}),
    order(outside.order ? *outside.order : own),
    chance(outside.order ? order.begin_life() : o.seed + lives), events(time, outside.trace),
    store(open_store()), env{time, chance, events, services, &streams}, plays(topology_of(o)),
    system(settings),
    scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {
  time.clock = &scheduler.clock();
  time.begin = idle_at = scheduler.clock().now();
  time.before = outside.elapsed;
}

std::unique_ptr<store::durable_store> stage::parts::open_store() {
  if (outside.storage)
    return outside.storage->open(chance, time);
  return std::make_unique<store::memory_store>(outside.disk, 1);
}

void stage::parts::start() {
  outside.stall = [this](std::chrono::milliseconds d) { pass(d); };
  outside.trace.begin_life([this](std::uint64_t actor) {
    for (auto& name : services.names())
      if (auto found = services.find(name); found && found->handle.id() == actor)
        return name;
    return std::string{};
  });
  client = spawn_client(system);
  actors.push_back(client);
  outside_view = std::shared_ptr<stage_outside>(new stage_outside{
    outside, [this](auto d, auto what) { later(d, std::move(what)); },
    [this](const std::string& service) {
      if (auto found = services.find(service))
        caf::anon_send_exit(found->handle, caf::exit_reason::kill);
    }});
  for (const auto& [name, t] : plays.tools)
    outside.classes[tool_service_name(name)] = t.effect;
  config::assembly_setup setup{system, env,       plays,
                               *store, make_http_double(options.http, outside_view),
                               doubles()};
  if (!options.topology)
    setup.invocations = options.invocations;
  setup.mcp = false;
  setup.on_fatal = [this](const error& why) { on_fatal(why); };
  troupe = std::make_unique<config::assembly>(std::move(setup));
  if (auto started = troupe->start(); !started)
    throw failure{"the troupe cannot start: " + to_string(started.error())};
  for (const auto& s : options.services) {
    auto a = spawn_service(system, outside, s);
    services.put(s.name, outside.network ? outside.network->before(system, a, s.info) : a, s.info);
    outside.classes[s.name] = s.info.cls;
    actors.push_back(a);
  }
}

void stage::parts::on_fatal(const error& why) {
  if (ending || fatal)
    return;
  fatal = why;
  if (options.on_fatal)
    options.on_fatal(why);
  else if (options.topology) // the binary ends here
    die();
}

config::backend_factories stage::parts::doubles() {
  config::backend_factories out;
  out.tool = [this](const tool_options& o, const config::backend_setup& with) {
    return make_tool(o, with);
  };
  out.model = [this, real = config::real_backends().model](
                const endpoint_options& o, const config::backend_setup& with) {
    if (const auto* plan = find_double(options.models, o.name))
      return result<std::shared_ptr<model_backend>>{
        make_model_double(*plan, "llm:" + o.name, outside_view)};
    return real(o, with);
  };
  return out;
}

result<tool_parts> stage::parts::make_tool(const tool_options& o,
                                           const config::backend_setup& with) {
  const auto& r = o.reconcile;
  if (const auto* plan = find_double(options.tools, o.name))
    return make_tool_double(*plan, tool_service_name(o.name), !r.url.empty() || !r.argv.empty(),
                            outside_view);
  if (o.kind == tool_kind::command || !r.argv.empty())
    return error{errc::invalid_input, "a stage has no processes: give it a kit::scripted_tool"};
  auto function = o.kind != tool_kind::function
                    ? std::nullopt
                    : find_function(o.function.class_name.empty() ? o.name : o.function.class_name);
  if (!function || function->start)
    return make_tool_parts(o, with.env, *with.transport);
  tool_parts parts; // inline, for a stage has one thread
  parts.backend = make_function_backend(std::move(*function), 0);
  if (!r.url.empty())
    parts.reconciler = make_http_reconciler(r, o.http, *with.transport, with.env.clock);
  return parts;
}

/// The machine dies.
void stage::parts::die() {
  outside.crashed = true;
  outside.disk->crash();
  if (outside.storage)
    outside.storage->power_off();
}

void stage::parts::end() {
  ending = true;
  outside.elapsed += time.since();
  // From here on nothing can reach the world: what still runs only ends.
  die();
  outside.stall = {};
  for (auto& a : actors)
    caf::anon_send_exit(a, caf::exit_reason::kill);
  actors.clear();
  client = nullptr;
  if (troupe)
    troupe->stop(caf::exit_reason::kill);
  services.clear();
  while (scheduler.has_job())
    scheduler.run_once();
}

} // namespace troupe::kit
