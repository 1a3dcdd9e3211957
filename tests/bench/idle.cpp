// Invocations that wait: how fast they are accepted, what one costs in memory with its frame, and
// what a fresh process needs to hold them passivated.
//
//   bench_idle [--count N]

#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/load.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <malloc.h>

#include <cstdio>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

class sleeper final : public agent<int, int> {
  task<int> run(int n) override {
    auto rang = co_await sleep(std::chrono::hours{1});
    if (!rang)
      co_return std::move(rang).error();
    co_return n;
  }
};
TROUPE_AGENT(sleeper)

agent_options options(std::chrono::milliseconds passivate_after) {
  agent_options a;
  a.name = "sleeper";
  a.depth_max = 1'000'000;
  a.passivate_after = passivate_after;
  return a;
}

struct figure {
  double per_s;
  double bytes_each;
  double rss_mib;
};

// Accepts `n`; each answer means that it is durable.
double accept(bench::rig& rig, int n) {
  bench::countdown all(static_cast<std::size_t>(n));
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < n; ++i)
    rig.invoke("sleeper", "1", {}, [&all] { all.one(); });
  if (!all.wait(600s))
    std::exit(1);
  return n / (bench::ms_since(begin) / 1000);
}

// Waits until the number of live actors is `n`.
void settle(bench::rig& rig, std::uint64_t n) {
  for (int i = 0; i < 30; ++i) {
    auto s = rig.stats();
    if (s.ready && s.agents.front().live == n)
      return;
    ::usleep(100'000);
  }
  auto s = rig.stats();
  fmt::print(stderr, "still {} live of {}, expected {}\n", s.agents.front().live,
             s.agents.front().open, n);
}

figure passivated(const std::filesystem::path& file, int n) {
  bench::rig rig{file, {options(2s)}};
  figure f{};
  f.per_s = accept(rig, n);
  settle(rig, 0);
  f.rss_mib = static_cast<double>(bench::rss_bytes()) / 1048576.0;
  return f;
}

figure resident(const std::filesystem::path& file, int n) {
  bench::rig rig{file, {options(0s)}};
  accept(rig, n / 100); // pools and tables of the libraries
  settle(rig, static_cast<std::uint64_t>(n / 100));
  auto before = bench::rss_bytes();
  figure f{};
  f.per_s = accept(rig, n);
  settle(rig, static_cast<std::uint64_t>(n + n / 100));
  ::usleep(500'000);
  ::malloc_trim(0); // what the burst of accepting used is not part of waiting
  f.bytes_each = static_cast<double>(bench::rss_bytes() - before) / n;
  f.rss_mib = static_cast<double>(bench::rss_bytes()) / 1048576.0;
  return f;
}

figure reopened(const std::filesystem::path& file, int n) {
  auto begin = std::chrono::steady_clock::now();
  bench::rig rig{file, {options(2s)}};
  while (true) {
    auto s = rig.stats();
    if (s.ready && s.agents.front().open == static_cast<std::uint64_t>(n))
      break;
    ::usleep(1'000);
  }
  figure f{};
  f.per_s = n / (bench::ms_since(begin) / 1000);
  f.rss_mib = static_cast<double>(bench::rss_bytes()) / 1048576.0;
  return f;
}

} // namespace

int main(int argc, char** argv) {
  int n = 100'000;
  CLI::App app{"waiting invocations"};
  app.add_option("--count", n, "how many");
  CLI11_PARSE(app, argc, argv);
  bench::scratch folder;
  auto file = folder.path() / "passivated.db";
  auto other = folder.path() / "resident.db";
  auto a = bench::in_fresh_process([&] { return passivated(file, n); });
  auto b = bench::in_fresh_process([&] { return resident(other, n); });
  auto c = bench::in_fresh_process([&] { return reopened(file, n); });
  fmt::print("{{\"bench\":\"idle\",\"count\":{},\"accepted_per_s\":{:.0f},"
             "\"rss_after_passivation_mib\":{:.1f},\"resident_bytes_each\":{:.0f},"
             "\"resident_accepted_per_s\":{:.0f},\"fresh_process_rss_mib\":{:.1f},"
             "\"fresh_process_reads_per_s\":{:.0f},\"synchronous\":\"full\"}}\n",
             n, a.per_s, a.rss_mib, b.bytes_each, b.per_s, c.rss_mib, c.per_s);
}
