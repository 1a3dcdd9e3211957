#include "config/cast.hpp"

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/gateway/rest.hpp"
#include "config/assembly.hpp"
#include "config/plugins.hpp"
#include "config/units.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/stream_hub.hpp"
#include "runtime/core/system_config.hpp"
#include "runtime/net/http_client.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"
#include "runtime/telemetry/metrics_sink.hpp"
#include "runtime/telemetry/sinks.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

namespace troupe::config {
namespace {

/// After a drain, this long may clients take to read what was answered.
constexpr std::chrono::milliseconds close_within{1'000};

/// A drain is answered at its time; this much later the dispatcher counts as gone.
constexpr std::chrono::milliseconds answer_margin{5'000};

/// Waiting for what the topology's `[dispatcher]` has no bound for: until all work is done.
constexpr std::chrono::milliseconds forever = std::chrono::hours{24 * 365};

struct configured : caf::actor_system_config {
  explicit configured(const runtime_options& o) { configure(*this, {.threads = o.threads}); }
};

result<std::unique_ptr<store::durable_store>>
open_store(const store_options& o, random_source& chance, const time_source& clock) {
  if (o.kind == store_kind::memory)
    return std::unique_ptr<store::durable_store>{
      std::make_unique<store::memory_store>(std::make_shared<store::memory_disk>(), chance.next())};
  store::sqlite_options s;
  s.path = o.path;
  s.synchronous = o.synchronous;
  return store::sqlite_store::open(std::move(s), chance, clock);
}

} // namespace

/// In the order of their lives: what comes later refers to what comes before.
struct cast::parts {
  topology what;
  system_time own_clock;
  system_random own_chance;
  metrics registry;
  troupe_metrics numbers{registry};
  metrics_sink counting{numbers};
  fan_out_sink sinks;
  const time_source& clock;
  random_source& chance;
  directory services;
  stream_hub streams;
  environment env;
  std::function<void(const error&)> on_fatal;
  std::unique_ptr<store::durable_store> store;
  std::shared_ptr<net::http_client> client;
  configured config;
  std::unique_ptr<caf::actor_system> system;
  std::unique_ptr<assembly> troupe;
  std::unique_ptr<rest_gateway> gateway;
  std::unique_ptr<net::http_server> server;

  parts(topology t, cast_options& o)
    : what(std::move(t)),
      sinks(o.events == nullptr ? std::vector<event_sink*>{&counting}
                                : std::vector<event_sink*>{&counting, o.events}),
      clock(o.clock == nullptr ? own_clock : *o.clock),
      chance(o.chance == nullptr ? own_chance : *o.chance), env{clock, chance, sinks, services,
          o.http && what.gateway.enabled ? &streams : nullptr},
      on_fatal(o.on_fatal ? std::move(o.on_fatal) : [](const error&) {}), store(std::move(o.store)),
      config(what.runtime) {}

  result<void> open();
  result<void> start_actors();
  result<void> open_doors();
};

result<void> cast::parts::open() {
  if (store)
    return {};
  auto opened = open_store(what.store, chance, clock);
  if (!opened)
    return std::move(opened).error();
  store = std::move(*opened);
  return {};
}

result<void> cast::parts::start_actors() {
  system = std::make_unique<caf::actor_system>(config);
  client = std::make_shared<net::http_client>();
  assembly_setup setup{*system, env, what, *store, client};
  setup.on_fatal = on_fatal;
  setup.on_commit = [this](const journal::commit_report& c) {
    if (!c.ok)
      return;
    numbers.journal_commit.observe(c.took);
    numbers.journal_batch_rows.observe(static_cast<double>(c.units));
    numbers.journal_syncs.add();
  };
  troupe = std::make_unique<assembly>(std::move(setup));
  return troupe->start();
}

result<void> cast::parts::open_doors() {
  gateway = std::make_unique<rest_gateway>(
    *system, rest_setup{env, registry, std::string{store->tag()}, troupe->dispatcher(),
                        troupe->reader(), troupe->timer(), what.gateway, agents_of(what),
                        troupe->budgets()});
  auto serving
    = net::http_server::start(server_options(what.gateway),
                              [g = gateway.get()](net::http_server_request in, net::responder out) {
                                g->handle(std::move(in), std::move(out));
                              });
  if (!serving)
    return std::move(serving).error();
  server = std::move(*serving);
  return {};
}

cast::cast(std::unique_ptr<parts> parts) : parts_(std::move(parts)) {}

cast::~cast() {
  stop();
}

result<std::unique_ptr<cast>> cast::start(topology what, cast_options options) {
  if (auto problems = load_code(what); !problems.empty())
    return error{errc::invalid_input, render(problems)};
  bool http = options.http && what.gateway.enabled;
  auto made = std::unique_ptr<cast>{new cast{std::make_unique<parts>(std::move(what), options)}};
  auto& p = *made->parts_;
  // The store first: it is the one thing that another process may hold.
  for (auto step : {&parts::open, &parts::start_actors})
    if (auto done = (p.*step)(); !done)
      return std::move(done).error();
  if (http)
    if (auto done = p.open_doors(); !done)
      return std::move(done).error();
  p.sinks.write(
    {level::info,
     "troupe.ready",
     {},
     {},
     {},
     "ok",
     0,
     {},
     {{"topology", to_json(p.what.runtime.name)}, {"listen", to_json(made->address())}}});
  return made;
}

std::uint64_t cast::drain(std::chrono::milliseconds within) {
  auto& p = *parts_;
  if (!p.troupe)
    return 0;
  std::uint64_t left = 0;
  {
    caf::scoped_actor self{*p.system};
    self->request(p.troupe->dispatcher(), within + answer_margin, drain_request{within})
      .receive([&](const drained& d) { left = d.left; }, [](const caf::error&) {});
  }
  if (p.gateway)
    p.gateway->end_streams();
  if (p.server)
    p.server->drain(close_within);
  p.sinks.write(
    {level::info, "troupe.drained", {}, {}, {}, "ok", 0, {}, {{"left", std::to_string(left)}}});
  return left;
}

void cast::stop() {
  auto& p = *parts_;
  if (!p.system)
    return;
  // The doors, then who takes work, then who does it, then who serves them.
  p.server.reset();
  p.gateway.reset();
  if (p.troupe)
    p.troupe->stop();
  p.system->await_all_actors_done();
  // Callbacks of requests in flight find dead actors, in a system that still stands.
  p.client.reset();
  p.troupe.reset();
  p.system.reset();
  p.store.reset();
}

void cast::when_idle(std::function<void(std::uint64_t)> done) {
  parts_->system->spawn(
    [to = dispatcher(), done = std::move(done)](caf::event_based_actor* self) {
      self->request(to, forever, idle_request{})
        .then([done](const idle& i) { done(i.stuck); }, [](const caf::error&) {});
    });
}

const caf::actor& cast::dispatcher() const noexcept {
  return parts_->troupe->dispatcher();
}
const caf::actor& cast::reader() const noexcept {
  return parts_->troupe->reader();
}
caf::actor_system& cast::system() noexcept {
  return *parts_->system;
}
metrics& cast::registry() noexcept {
  return parts_->registry;
}
store::durable_store& cast::store() noexcept {
  return *parts_->store;
}
const topology& cast::played() const noexcept {
  return parts_->what;
}

std::string cast::address() const {
  if (!parts_->server)
    return {};
  auto host = parts_->what.gateway.host;
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  return to_text(troupe::config::address{host, parts_->server->port()});
}

} // namespace troupe::config
