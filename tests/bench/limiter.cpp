// What a turn at a model costs: asked and ended at once, as where nobody waits; and in a queue, where
// each end lets the next one go, fairly between agents. Time stands still, so no limit is met but
// that of requests in flight.
//
//   bench_limiter [--turns N] [--waiting N] [--agents N]

#include "actors/guard/limiter.hpp"
#include "runtime/telemetry/events.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <chrono>

using namespace troupe;

namespace {

class still_time final : public time_source {
public:
  utc_time now() const override { return utc_time{std::chrono::seconds{1'769'515'200}}; }
  steady_time steady() const override { return steady_time{} + std::chrono::hours{1}; }
};

class no_chance final : public random_source {
public:
  std::uint64_t next() override { return 0; }
};

template <class F>
double ns_each(int n, F&& what) {
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < n; ++i)
    what(i);
  std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / n;
}

rate_limit_options usual() {
  rate_limit_options o;
  o.requests_per_minute = 1'000'000'000;
  o.input_tokens_per_minute = 1'000'000'000'000;
  o.output_tokens_per_minute = 1'000'000'000'000;
  o.queue = 1'000'000;
  return o;
}

rate_claim claim_of(int i, int agents) {
  rate_claim c;
  c.agent = "agent-" + std::to_string(i % agents);
  c.estimate = {100, 100};
  return c;
}

} // namespace

int main(int argc, char** argv) {
  int turns = 200'000;
  int waiting = 1'000;
  int agents = 10;
  CLI::App app{"a turn at a rate limiter, free and in a queue"};
  app.add_option("--turns", turns, "turns of each kind");
  app.add_option("--waiting", waiting, "calls in the queue");
  app.add_option("--agents", agents, "whose they are");
  CLI11_PARSE(app, argc, argv);
  still_time clock;
  no_chance random;
  null_sink events;
  directory services;
  environment env{clock, random, events, services};
  token_use used{90, 80};

  limiter free{"llm:free", usual(), 2, 20, env};
  auto at_once = ns_each(turns, [&](int i) {
    auto turn = free.ask(claim_of(i, agents), {});
    free.end(turn->id, nullptr, used);
  });

  rate_limiter busy{usual(), 2, 20};
  auto now = clock.steady();
  std::uint64_t last = 0;
  for (int i = 0; i < waiting + 20; ++i)
    (void)busy.enqueue(++last, claim_of(i, agents), now);
  std::vector<std::uint64_t> going;
  for (const auto& d : busy.step(now))
    going.push_back(d.id);
  std::size_t at = 0;
  auto queued = ns_each(turns, [&](int i) {
    rate_end end;
    end.used = used;
    busy.finish(going[at], end, now);
    (void)busy.enqueue(++last, claim_of(i, agents), now);
    going[at] = busy.step(now).front().id;
    at = (at + 1) % going.size();
  });
  fmt::print("{{\"bench\":\"limiter\",\"turn_ns\":{:.0f},\"queued_turn_ns\":{:.0f},\"turns\":{},"
             "\"waiting\":{},\"agents\":{}}}\n",
             at_once, queued, turns, waiting, agents);
}
