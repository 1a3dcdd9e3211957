#pragma once
// A bare stage for one service actor: CAF's testing scheduler, virtual time, a timer, events that
// can be looked at, and somebody who asks. For whole troupes there is tests/kit/stage.hpp.

#include "runtime/core/call.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/telemetry/sinks.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

using namespace std::chrono_literals;

/// UTC and steady time, both from the clock of the scheduler. UTC can be set, as operators do.
class virtual_time final : public time_source {
public:
  explicit virtual_time(caf::scheduler::test_coordinator& s) : scheduler_(s) {}

  utc_time now() const override {
    auto since = std::chrono::duration_cast<std::chrono::microseconds>(
      scheduler_.clock().current_time.time_since_epoch());
    return utc_time{} + 500'000h + jump + since;
  }
  steady_time steady() const override {
    return steady_time{} + scheduler_.clock().current_time.time_since_epoch();
  }

  std::chrono::microseconds jump{0};

private:
  caf::scheduler::test_coordinator& scheduler_;
};

class seeded_random final : public random_source {
public:
  explicit seeded_random(std::uint64_t seed) : generator_(seed) {}
  std::uint64_t next() override { return generator_(); }

private:
  std::mt19937_64 generator_;
};

/// An answer that may not have come yet.
template <class Reply>
struct awaited {
  std::optional<Reply> reply;
  bool refused = false; ///< CAF says that nobody will answer
};
template <class Reply>
using awaited_ptr = std::shared_ptr<awaited<Reply>>;

class actor_stage {
public:
  actor_stage()
    : system_(configure(config_)),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      clock(scheduler_) {
    timer = spawn_timer(system_, clock, events);
    run();
  }

  ~actor_stage() {
    for (auto& one : std::exchange(cast_, {}))
      caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
    services.clear();
    run();
    advance(20s, 1s);
    caf::anon_send_exit(std::exchange(timer, nullptr), caf::exit_reason::user_shutdown);
    run();
  }

  caf::actor_system& system() { return system_; }

  /// Ends `one` with the stage.
  caf::actor keep(caf::actor one) {
    cast_.push_back(one);
    return one;
  }

  /// All that can happen without time going on.
  void run() {
    while (scheduler_.try_run_once()) {
    }
  }

  /// Lets time pass in steps, and what is due happen.
  void advance(std::chrono::nanoseconds d, std::chrono::nanoseconds step = 5ms) {
    run();
    while (d > 0ns) {
      auto now = std::min(d, step);
      scheduler_.advance_time(now);
      run();
      d -= now;
    }
  }

  /// Asks; the answer is there after `run` or `advance`.
  template <class Reply, class Message>
  awaited_ptr<Reply> ask(const caf::actor& to, Message m) {
    auto slot = std::make_shared<awaited<Reply>>();
    system_.spawn([slot, to, m = std::move(m)](caf::event_based_actor* self) {
      self->request(to, caf::infinite, m)
        .then([slot](Reply& r) { slot->reply = std::move(r); },
              [slot](const caf::error&) { slot->refused = true; });
    });
    run();
    return slot;
  }

  awaited_ptr<call_reply> call(const caf::actor& to, call_request r) {
    return ask<call_reply>(to, std::move(r));
  }

  template <class Message>
  void tell(const caf::actor& to, Message m) {
    caf::anon_send(to, std::move(m));
    run();
  }

  void end(const caf::actor& one, caf::exit_reason reason) {
    caf::anon_send_exit(one, reason);
    run();
  }

private:
  static caf::actor_system_config& configure(caf::actor_system_config& config) {
    config.set("scheduler.policy", caf::atom("testing"));
    return config;
  }

  caf::actor_system_config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  std::vector<caf::actor> cast_;

public:
  virtual_time clock;
  seeded_random random{7};
  memory_sink events;
  directory services;
  environment env{clock, random, events, services};
  caf::actor timer;
};

} // namespace troupe::test
