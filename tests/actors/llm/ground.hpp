#pragma once
// What an endpoint stands on in a test: virtual time, a model that does what the test says, and
// callers that remember their answers.

#include "actors/llm/llm_endpoint.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/support/catch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::test {

using namespace std::chrono_literals;

/// Time that stands still until the test moves it.
class endpoint_time final : public time_source {
public:
  utc_time now() const override {
    return utc_time{1'700'000'000s}
           + std::chrono::duration_cast<std::chrono::microseconds>(steady().time_since_epoch());
  }
  steady_time steady() const override { return clock != nullptr ? clock->now() : steady_time{}; }

  caf::actor_clock* clock = nullptr;
};

/// Always draws the same number.
class fixed_random final : public random_source {
public:
  std::uint64_t next() override { return value; }
  std::uint64_t value = 0;
};

/// A model whose requests stay open until the test answers them.
class fake_backend final : public model_backend {
public:
  struct request {
    model_request asked;
    model_done done;
    bool open = true;
    bool cancelled = false;
  };

  model_request_id start(const model_request& asked, model_done done) override {
    seen.push_back({asked, std::move(done)});
    return seen.size();
  }
  void cancel(model_request_id id) override {
    auto& r = seen.at(id - 1);
    r.cancelled = true;
    if (r.open)
      end(id - 1, error{errc::cancelled, "cancelled", certainty::unknown});
  }

  /// Ends the n-th request, counted from 0.
  void end(std::size_t n, result<model_answer> outcome) {
    REQUIRE(n < seen.size());
    REQUIRE(seen[n].open);
    seen[n].open = false;
    seen[n].done(std::move(outcome));
  }
  std::size_t open() const {
    return static_cast<std::size_t>(
      std::count_if(seen.begin(), seen.end(), [](const request& r) { return r.open; }));
  }

  std::deque<request> seen;
};

inline model_answer says(std::string text) {
  model_answer out;
  out.text = std::move(text);
  out.input_tokens = 10;
  out.output_tokens = 3;
  return out;
}

/// What has become of a message to an actor.
template <class Reply>
struct asked {
  std::optional<Reply> reply;
  bool failed = false; ///< the actor was down

  const result<std::string>& outcome() const {
    REQUIRE(reply);
    return reply->outcome;
  }
  const error& why() const {
    REQUIRE_FALSE(outcome());
    return outcome().error();
  }
  const std::string& value() const {
    if (!outcome())
      FAIL(to_string(outcome().error()));
    return *outcome();
  }
};

class ground {
public:
  ground()
    : env{time, random, events, services}, system(settings),
      scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {
    time.clock = &scheduler.clock();
    timer = spawn_timer(system, time, events);
    options.name = "fast";
    options.script = "answers.json";
    options.model = "small";
  }
  ~ground() {
    services.clear();
    for (const auto& a : {timer, aut})
      if (a)
        caf::anon_send_exit(a, caf::exit_reason::kill);
    timer = aut = nullptr;
    backend.reset();
    run();
  }

  /// Starts the actor under test with `options`.
  void start(std::shared_ptr<model_backend> with) {
    aut = start_llm_endpoint(system, llm_setup{env, timer, options, std::move(with)});
    run();
  }
  void start() { start(backend = std::make_shared<fake_backend>()); }

  template <class Reply, class Message>
  std::shared_ptr<asked<Reply>> ask(Message message) {
    auto slot = std::make_shared<asked<Reply>>();
    system.spawn([slot, to = aut, message](caf::event_based_actor* self) {
      self->request(to, caf::infinite, message)
        .then([slot](Reply& r) { slot->reply = std::move(r); },
              [slot](const caf::error&) { slot->failed = true; });
    });
    run();
    return slot;
  }
  std::shared_ptr<asked<call_reply>> call(std::string body, utc_time deadline = never) {
    call_request r;
    r.id = ++last_id;
    r.service = "llm:fast";
    r.body = std::move(body);
    r.cls = effect_class::read;
    r.deadline = deadline;
    r.invocation = "k3f9x2-17";
    r.agent = "triage";
    return ask<call_reply>(std::move(r));
  }
  void cancel(call_id id) {
    caf::anon_send(aut, call_cancel{id});
    run();
  }
  /// Ends the n-th request at the model.
  void answer(std::size_t n, result<model_answer> outcome) {
    backend->end(n, std::move(outcome));
    run();
  }
  llm_stats stats() {
    auto slot = ask<llm_stats>(llm_stats_request{});
    REQUIRE(slot->reply);
    return *slot->reply;
  }

  /// Runs all that can run without time passing.
  void run() {
    while (scheduler.has_job())
      scheduler.run_once();
  }
  void advance(std::chrono::milliseconds by) {
    for (auto until = time.steady() + by; time.steady() < until; run())
      scheduler.advance_time(std::min<caf::timespan>(until - time.steady(), 10ms));
  }

  endpoint_time time;
  fixed_random random;
  memory_sink events;
  directory services;
  environment env;
  struct testing : caf::actor_system_config {
    testing() { set("scheduler.policy", caf::atom("testing")); }
  } settings;
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  caf::actor timer;
  caf::actor aut;
  endpoint_options options;
  std::shared_ptr<fake_backend> backend;
  call_id last_id = 0;
};

inline const std::string words = R"({"messages":[{"role":"user","content":"Who goes there?"}]})";
inline const std::string shaped
  = R"({"messages":[{"role":"user","content":"Which queue?"}],"temperature":0.7,)"
    R"("schema":{"type":"object","properties":{"queue":{"type":"string"}},)"
    R"("required":["queue"],"additionalProperties":false}})";

} // namespace troupe::test
