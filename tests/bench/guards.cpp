// What all the guards cost a call that succeeds: a tool behind its bulkhead, breaker, retry and
// budget, with fallback, hedging and metrics on, against the same request to a bare actor, in turn
// in the same run. Holding the arguments to a schema is no guard, and costs as much again: `--schema`.
//
//   bench_guards [--calls N] [--runs N] [--schema]

#include "actors/guard/breaker_actor.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/system_config.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/telemetry/metrics_sink.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace bench_messages {
struct go {
  int calls = 0;
};
} // namespace bench_messages
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bench_messages::go)

namespace {

using namespace bench_messages;
using namespace troupe;
using namespace std::chrono_literals;

constexpr std::string_view arguments = R"({"id":"T-1","cents":1200})";

/// What a tool does without any guard: it answers.
caf::behavior bare(caf::event_based_actor*) {
  return {[](call_request& r) {
    call_reply reply;
    reply.outcome = std::move(r.body);
    return reply;
  }};
}

class echo_backend final : public tool_backend {
public:
  void start(attempt_request request, attempt_done done) override { done(std::move(request.body)); }
  void cancel(attempt_id) override {}
};

class caller final : public caf::event_based_actor {
public:
  caller(caf::actor_config& cfg, caf::actor to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {[this](const go& g) {
      left_ = g.calls;
      done_ = make_response_promise();
      next();
    }};
  }

private:
  void next() {
    call_request r;
    r.id = static_cast<call_id>(left_);
    r.service = "tool:echo";
    r.body = arguments;
    r.key = "k3f9x2-17/0/0/-/" + std::to_string(left_);
    r.cls = effect_class::read;
    r.invocation = "k3f9x2-17";
    r.agent = "triage";
    request(to_, 60s, std::move(r)).then([this](const call_reply& reply) {
      if (!reply.outcome)
        std::exit(1);
      if (--left_ == 0)
        done_.deliver(1);
      else
        next();
    });
  }
  caf::actor to_;
  caf::response_promise done_;
  int left_ = 0;
};

/// Nanoseconds of one call: by the clock, and of processor time, which others on the machine do not
/// change much.
struct cost {
  double wall = 0;
  double cpu = 0;
};

cost of_a_call(caf::actor_system& system, const caf::actor& to, int calls) {
  auto asker = system.spawn<caller>(to);
  caf::scoped_actor self{system};
  auto cpu = bench::cpu_seconds();
  auto begin = std::chrono::steady_clock::now();
  self->request(asker, 600s, go{calls}).receive([](int) {}, [](const caf::error&) { std::exit(1); });
  auto took = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin);
  auto worked = (bench::cpu_seconds() - cpu) * 1e9;
  self->send_exit(asker, caf::exit_reason::user_shutdown);
  return {took.count() / calls, worked / calls};
}

tool_options all_guards(bool schema) {
  tool_options o;
  o.name = "echo";
  o.effect = effect_class::read;
  if (schema)
    o.input_schema = R"({"type":"object","required":["id"],"properties":{"id":{"type":"string"},)"
                     R"("cents":{"type":"integer","minimum":1}}})";
  o.fallback.cached = 10min;
  o.fallback.value = "null";
  o.hedge.enabled = true;
  return o;
}

} // namespace

int main(int argc, char** argv) {
  int calls = 200'000;
  int runs = 7;
  bool schema = false;
  CLI::App app{"all guards around a call that succeeds against a bare actor's request"};
  app.add_option("--calls", calls, "calls of a run");
  app.add_option("--runs", runs, "pairs of runs; the median is reported");
  app.add_flag("--schema", schema, "the arguments are held to a schema, too");
  CLI11_PARSE(app, argc, argv);
  system_time clock;
  system_random random;
  metrics registry;
  troupe_metrics numbers{registry};
  metrics_sink sink{numbers};
  directory services;
  environment env{clock, random, sink, services};
  caf::actor_system_config config;
  // One worker: on more, where the actors meet by chance decides the figure.
  configure(config, {.threads = 1});
  caf::actor_system system{config};
  auto timer = spawn_timer(system, clock, sink);
  auto options = all_guards(schema);
  auto guards = make_tool_guards(options, env);
  auto watch = spawn_breaker(system, breaker_setup{guards.gate, env, timer});
  auto tool = spawn_tool(system, {.env = env,
                                  .options = options,
                                  .parts = {std::make_shared<echo_backend>(), nullptr},
                                  .timer = timer,
                                  .guards = guards})
                .value();
  auto plain = system.spawn(bare);
  std::vector<double> raw;
  std::vector<double> guarded;
  std::vector<double> over;
  std::vector<double> over_cpu;
  of_a_call(system, tool, calls / 10);
  for (int i = 0; i < runs; ++i) {
    auto without = of_a_call(system, plain, calls);
    auto with = of_a_call(system, tool, calls);
    raw.push_back(without.wall);
    guarded.push_back(with.wall);
    over.push_back(with.wall - without.wall);
    over_cpu.push_back(with.cpu - without.cpu);
  }
  fmt::print("{{\"bench\":\"guards\",\"bare_request_ns\":{:.0f},\"guarded_call_ns\":{:.0f},"
             "\"overhead_ns\":{:.0f},\"overhead_cpu_ns\":{:.0f},\"calls\":{},\"runs\":{}}}\n",
             bench::quantile(raw, 0.5), bench::quantile(guarded, 0.5), bench::quantile(over, 0.5),
             bench::quantile(over_cpu, 0.5), calls, runs);
  for (const auto& one : {tool, plain, watch, timer})
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
}
