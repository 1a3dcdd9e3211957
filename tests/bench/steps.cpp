// Durable steps: invocations of 10 sequential `run` steps of 100 bytes, each durable (SQLite,
// synchronous=FULL) before the next one starts.
//
//   bench_steps [--seconds N] [--runs N] [--concurrency 1,16,64,256]
//
// One JSON line for each concurrency, the median of the runs by throughput; each run has a fresh
// process state and store. `commits_per_invocation` says how many syncs an invocation waited for.

#include "runtime/core/agent.hpp"
#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <mutex>

namespace {

using namespace troupe;

constexpr int steps_each = 10;

class bench_steps final : public agent<int, int> {
  task<int> run(int n) override {
    const std::string data(100, 'x');
    auto step = [&data] { return data; };
    for (int i = 0; i < n; ++i) {
      auto done = co_await troupe::run("step", effect_class::idempotent, step);
      if (!done)
        co_return std::move(done).error();
    }
    co_return n;
  }
};
TROUPE_AGENT(bench_steps)

struct figure {
  double steps_per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  double cpu_per_1000 = 0;
  double rss = 0;
  double raw_us = 0;
  double commits_per_invocation = 0;
  double commits_per_s = 0;
};

// Keeps `concurrency` invocations going; each one that ends begins the next.
class load {
public:
  load(bench::rig& rig) : rig_(rig) {}

  void begin(int concurrency) {
    outstanding_ = concurrency;
    for (int i = 0; i < concurrency; ++i)
      next();
  }

  std::vector<double> stop() {
    std::unique_lock lock{mutex_};
    stopping_ = true;
    done_.wait(lock, [this] { return outstanding_ == 0; });
    return std::move(took_);
  }

private:
  void next() {
    auto begin = std::chrono::steady_clock::now();
    rig_.invoke("bench_steps", "10", [this, begin](bool ok) {
      auto took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin);
      bool more = false;
      {
        std::unique_lock lock{mutex_};
        if (ok && !stopping_)
          took_.push_back(took.count());
        more = !stopping_;
        if (!more && --outstanding_ == 0)
          done_.notify_all();
      }
      if (more)
        next();
    });
  }

  bench::rig& rig_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::vector<double> took_;
  int outstanding_ = 0;
  bool stopping_ = false;
};

figure measure(int concurrency, double seconds) {
  bench::scratch folder;
  figure f;
  f.raw_us = bench::raw_commit_us(folder.path());
  agent_options a;
  a.name = "bench_steps";
  bench::rig rig{folder.path() / "troupe.db", {a}};
  load work{rig};
  auto cpu = bench::cpu_seconds();
  auto commits = rig.commits();
  auto begin = std::chrono::steady_clock::now();
  work.begin(concurrency);
  ::usleep(static_cast<useconds_t>(seconds * 1e6));
  auto cpu_used = bench::cpu_seconds() - cpu;
  auto committed = rig.commits() - commits;
  auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto all = work.stop();
  auto n = static_cast<double>(all.size());
  f.steps_per_s = n * steps_each / took;
  f.p50_ms = bench::quantile(all, 0.5);
  f.p99_ms = bench::quantile(all, 0.99);
  f.cpu_per_1000 = cpu_used / (n * steps_each) * 1000;
  f.rss = bench::peak_rss_mib();
  f.commits_per_s = static_cast<double>(committed) / took;
  f.commits_per_invocation = static_cast<double>(committed) / n;
  return f;
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  int runs = 5;
  std::vector<int> concurrencies{1, 16, 64, 256};
  CLI::App app{"durable steps, in process"};
  app.add_option("--seconds", seconds, "length of a run");
  app.add_option("--runs", runs, "fresh runs of each; the median is reported");
  app.add_option("--concurrency", concurrencies, "invocations at a time")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  for (auto c : concurrencies) {
    std::vector<figure> all;
    for (int i = 0; i < runs; ++i)
      all.push_back(bench::in_fresh_process([&] { return measure(c, seconds); }));
    std::sort(all.begin(), all.end(),
              [](const figure& a, const figure& b) { return a.steps_per_s < b.steps_per_s; });
    const auto& f = all[all.size() / 2];
    fmt::print("{{\"bench\":\"steps\",\"mode\":\"in_process\",\"concurrency\":{},"
               "\"steps_per_s\":{:.0f},\"p50_ms\":{:.3f},\"p99_ms\":{:.3f},"
               "\"cpu_s_per_1000_steps\":{:.4f},\"peak_rss_mib\":{:.1f},\"raw_commit_us\":{:.1f},"
               "\"commits_per_s\":{:.0f},\"commits_per_invocation\":{:.2f},"
               "\"p50_over_raw_commits\":{:.2f},\"synchronous\":\"full\",\"runs\":{},"
               "\"min_steps_per_s\":{:.0f},\"max_steps_per_s\":{:.0f}}}\n",
               c, f.steps_per_s, f.p50_ms, f.p99_ms, f.cpu_per_1000, f.rss, f.raw_us,
               f.commits_per_s, f.commits_per_invocation,
               f.raw_us > 0 && c == 1 ? f.p50_ms * 1000 / (f.raw_us * f.commits_per_invocation) : 0.0,
               runs, all.front().steps_per_s, all.back().steps_per_s);
    std::fflush(stdout);
  }
}
