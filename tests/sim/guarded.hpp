#pragma once
// Real tools before the scripted services of a stage, so that sweeps and seeds go through all the
// guards: slots, breaker, retries, hedging, fallbacks.

#include "actors/tool/tool.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/kit/stage.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace troupe::sim {

/// To the forwarder: one attempt for the scripted service.
struct forward_attempt {
  std::shared_ptr<attempt_request> what;
  std::shared_ptr<attempt_done> done;
  bool reconciles = false;
};
struct forward_cancel {
  attempt_id id = 0;
};

} // namespace troupe::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::sim::forward_attempt)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::sim::forward_cancel)

namespace troupe::sim {

/// Carries attempts to a scripted service, and ends with it, as do `with_it`.
inline caf::behavior forwarder(caf::event_based_actor* self, caf::actor service,
                               std::shared_ptr<std::vector<caf::actor>> with_it) {
  auto open = std::make_shared<std::map<attempt_id, std::shared_ptr<attempt_done>>>();
  self->monitor(service);
  self->set_down_handler([self, with_it](const caf::down_msg&) {
    for (auto& one : *with_it)
      caf::anon_send_exit(one, caf::exit_reason::kill);
    with_it->clear();
    self->quit();
  });
  auto finish = [open](attempt_id id, result<std::string> outcome) {
    if (auto one = open->extract(id))
      (*one.mapped())(std::move(outcome));
  };
  return {
    [=](const forward_attempt& f) {
      auto id = f.what->id;
      (*open)[id] = f.done;
      if (f.reconciles) {
        reconcile_request r;
        r.key = f.what->key;
        r.body = f.what->body;
        self->request(service, caf::infinite, std::move(r))
          .then([=](const reconcile_reply& said) {
            finish(id, said.state == reconcile_state::done
                         ? R"({"state":"done","result":)" + said.body + "}"
                         : std::string{said.state == reconcile_state::not_done
                                         ? R"({"state":"not_done"})"
                                         : R"({"state":"unknown"})"});
          }, [](const caf::error&) {});
        return;
      }
      call_request r;
      r.id = id;
      r.body = f.what->body;
      r.key = f.what->key;
      r.cls = f.what->cls;
      self->request(service, caf::infinite, std::move(r))
        .then([=](call_reply& said) { finish(id, std::move(said.outcome)); },
              [](const caf::error&) {});
    },
    [=](const forward_cancel& c) {
      self->send(service, call_cancel{c.id});
      finish(c.id, error{errc::cancelled, "the connection was closed", certainty::unknown});
    },
  };
}

class forwarding_backend final : public tool_backend {
public:
  forwarding_backend(caf::actor to, bool reconciles) : to_(std::move(to)), reconciles_(reconciles) {}

  void start(attempt_request request, attempt_done done) override {
    caf::anon_send(to_, forward_attempt{std::make_shared<attempt_request>(std::move(request)),
                                        std::make_shared<attempt_done>(std::move(done)),
                                        reconciles_});
  }
  void cancel(attempt_id id) override { caf::anon_send(to_, forward_cancel{id}); }

private:
  caf::actor to_;
  bool reconciles_;
};

/// Stands before all services of a world.
class guarded_tools final : public kit::stage_network {
public:
  /// @param options of every tool; the names come from the services
  guarded_tools(kit::world& w, tool_options options, std::uint64_t seed = 1)
    : world_(w), options_(std::move(options)), seed_(seed) {}

  static void around(kit::world& w, tool_options options, std::uint64_t seed = 1) {
    w.network = std::make_shared<guarded_tools>(w, std::move(options), seed);
  }

  caf::actor before(caf::actor_system& system, caf::actor service,
                    const service_info& info) override {
    auto& l = *lives_.emplace_back(std::make_unique<life>(system, world_.elapsed, ++seed_));
    auto with_it = std::make_shared<std::vector<caf::actor>>();
    auto to = system.spawn(forwarder, service, with_it);
    auto timer = spawn_timer(system, l.time, l.events);
    tool_options o = options_;
    o.name = "guarded" + std::to_string(lives_.size());
    o.effect = info.cls;
    if (info.cls > effect_class::read) {
      o.hedge.enabled = false;
      o.fallback.cached = std::chrono::milliseconds{0};
    }
    auto tool = spawn_tool(system,
                           {.env = l.env,
                            .options = o,
                            .parts = {std::make_shared<forwarding_backend>(to, false),
                                      std::make_shared<forwarding_backend>(to, true)},
                            .timer = timer})
                  .value();
    *with_it = {tool, timer};
    return tool;
  }

  /// Events of all lives that bear this name.
  std::size_t count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& l : lives_)
      n += static_cast<std::size_t>(l->events.count(name));
    return n;
  }

private:
  /// The stage's time, read from its scheduler.
  class stage_clock final : public time_source {
  public:
    stage_clock(caf::actor_clock& clock, std::chrono::microseconds before)
      : clock_(clock), begin_(clock.now()), before_(before) {}
    utc_time now() const override {
      return utc_time{std::chrono::microseconds{1'700'000'000'000'000}} + since();
    }
    steady_time steady() const override { return steady_time{} + since(); }

  private:
    std::chrono::microseconds since() const {
      return before_
             + std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - begin_);
    }
    caf::actor_clock& clock_;
    caf::actor_clock::time_point begin_;
    std::chrono::microseconds before_;
  };
  class seeded final : public random_source {
  public:
    explicit seeded(std::uint64_t seed) : generator_(seed) {}
    std::uint64_t next() override { return generator_(); }

  private:
    std::mt19937_64 generator_;
  };
  /// What the tools of one life stand on; outlives them.
  struct life {
    life(caf::actor_system& system, std::chrono::microseconds elapsed, std::uint64_t seed)
      : time(system.clock(), elapsed), chance(seed) {}
    stage_clock time;
    seeded chance;
    memory_sink events;
    directory services;
    environment env{time, chance, events, services};
  };

  kit::world& world_;
  tool_options options_;
  std::uint64_t seed_;
  std::vector<std::unique_ptr<life>> lives_;
};

/// Guards that come into play within a few calls.
inline tool_options touchy() {
  using namespace std::chrono_literals;
  tool_options o;
  o.concurrent = 2;
  o.queue = 4;
  o.retry.timeout = 1s;
  o.retry.total_timeout = 8s;
  o.retry.backoff_base = 50ms;
  o.breaker.window = 4;
  o.breaker.calls_min = 2;
  o.breaker.open_for = 2s;
  o.hedge.enabled = true;
  o.hedge.after = 200ms;
  return o;
}

} // namespace troupe::sim
