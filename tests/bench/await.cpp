// What a coroutine costs: one actor asks another, round after round, by `co_await ask` and by a raw
// CAF `request().then`, in turn in the same run.
//
//   bench_await [--rounds N] [--runs N]

#include "runtime/core/async.hpp"
#include "runtime/core/system_config.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace bench_messages {
struct question {
  int n = 0;
};
struct reply {
  int n = 0;
};
struct go {
  int rounds = 0;
};
} // namespace bench_messages
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bench_messages::question)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bench_messages::reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(bench_messages::go)

namespace {

using namespace bench_messages;
using namespace troupe;
using namespace std::chrono_literals;

caf::behavior echo(caf::event_based_actor*) {
  return {[](const question& q) { return reply{q.n + 1}; }};
}

class raw_asker final : public caf::event_based_actor {
public:
  raw_asker(caf::actor_config& cfg, caf::actor to) : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {[this](const go& g) {
      left_ = g.rounds;
      done_ = make_response_promise();
      next();
    }};
  }

private:
  void next() {
    request(to_, 10s, question{left_}).then([this](const reply&) {
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

class async_asker final : public caf::event_based_actor {
public:
  async_asker(caf::actor_config& cfg, caf::actor to)
    : caf::event_based_actor(cfg), to_(std::move(to)) {}
  caf::behavior make_behavior() override {
    return {[this](const go& g) {
      done_ = make_response_promise();
      scope_.spawn(rounds(g.rounds));
    }};
  }

private:
  async<void> rounds(int n) {
    for (int i = 0; i < n; ++i) {
      auto q = question{i};
      auto r = co_await ask<reply>(this, to_, 10s, std::move(q));
      if (!r)
        break;
    }
    done_.deliver(1);
  }
  caf::actor to_;
  caf::response_promise done_;
  scope scope_;
};

template <class Asker>
double nanoseconds_a_round(caf::actor_system& system, const caf::actor& to, int rounds) {
  auto asker = system.spawn<Asker>(to);
  caf::scoped_actor self{system};
  auto begin = std::chrono::steady_clock::now();
  self->request(asker, 600s, go{rounds}).receive([](int) {}, [](const caf::error&) { std::exit(1); });
  auto took = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin);
  self->send_exit(asker, caf::exit_reason::user_shutdown);
  return took.count() / rounds;
}

} // namespace

int main(int argc, char** argv) {
  int rounds = 500'000;
  int runs = 7;
  CLI::App app{"a coroutine await of another actor against a raw CAF request"};
  app.add_option("--rounds", rounds, "round trips of a run");
  app.add_option("--runs", runs, "pairs of runs; the median is reported");
  CLI11_PARSE(app, argc, argv);
  caf::actor_system_config config;
  // One worker: on more, where the two actors meet by chance decides the figure.
  configure(config, {.threads = 1});
  caf::actor_system system{config};
  auto to = system.spawn(echo);
  std::vector<double> raw;
  std::vector<double> ours;
  std::vector<double> ratio;
  nanoseconds_a_round<raw_asker>(system, to, rounds / 10);
  for (int i = 0; i < runs; ++i) {
    raw.push_back(nanoseconds_a_round<raw_asker>(system, to, rounds));
    ours.push_back(nanoseconds_a_round<async_asker>(system, to, rounds));
    ratio.push_back(ours.back() / raw.back());
  }
  fmt::print("{{\"bench\":\"await\",\"raw_request_ns\":{:.0f},\"await_ns\":{:.0f},"
             "\"ratio\":{:.3f},\"rounds\":{},\"runs\":{}}}\n",
             bench::quantile(raw, 0.5), bench::quantile(ours, 0.5), bench::quantile(ratio, 0.5),
             rounds, runs);
  caf::anon_send_exit(to, caf::exit_reason::user_shutdown);
}
