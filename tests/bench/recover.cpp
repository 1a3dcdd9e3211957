// kill -9 with invocations in flight: how long until all of them go on.
//
//   bench_recover [--count N]
//
// Each invocation makes a step, waits, and makes another step, which appends a line to a file. The
// process is killed while all wait; the next one is timed from its start until every invocation has
// made its second step, with all timers already due.

#include "tests/bench/support/load.hpp"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <set>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

int effects_fd = -1;

class in_flight final : public agent<int, int> {
  task<int> run(int n) override {
    auto number = [n] { return n; };
    auto first = co_await troupe::run("first", effect_class::idempotent, number);
    if (!first)
      co_return std::move(first).error();
    auto rang = co_await sleep(4s);
    if (!rang)
      co_return std::move(rang).error();
    auto write_line = [n] {
      auto line = fmt::format("{}\n", n);
      return static_cast<int>(::write(effects_fd, line.data(), line.size()));
    };
    auto second = co_await troupe::run("second", effect_class::idempotent, write_line);
    if (!second)
      co_return std::move(second).error();
    co_return n;
  }
};
TROUPE_AGENT(in_flight)

agent_options options() {
  agent_options a;
  a.name = "in_flight";
  a.depth_max = 1'000'000;
  a.passivate_after = 10s; // they stay in memory: in flight, not asleep
  return a;
}

} // namespace

int main(int argc, char** argv) {
  int n = 10'000;
  CLI::App app{"recovery after kill -9"};
  app.add_option("--count", n, "invocations in flight");
  CLI11_PARSE(app, argc, argv);
  bench::scratch folder;
  auto file = folder.path() / "troupe.db";
  auto effects = folder.path() / "effects";
  effects_fd = ::open(effects.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  int ends[2];
  if (::pipe(ends) != 0)
    return 1;
  auto child = ::fork();
  if (child == 0) {
    bench::rig rig{file, {options()}};
    bench::countdown all(static_cast<std::size_t>(n));
    for (int i = 0; i < n; ++i)
      rig.invoke("in_flight", std::to_string(i), {}, [&all] { all.one(); });
    all.wait(60s);
    ::usleep(1'000'000);
    if (::write(ends[1], "x", 1) != 1)
      return 1;
    ::pause();
  }
  char c = 0;
  if (::read(ends[0], &c, 1) != 1)
    return 1;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  auto early = std::filesystem::file_size(effects);
  ::usleep(4'500'000); // every timer is due now

  auto begin = std::chrono::steady_clock::now();
  bench::rig rig{file, {options()}};
  while (true) {
    auto s = rig.stats();
    if (s.ready && s.agents.front().open == 0)
      break;
    ::usleep(2'000);
  }
  auto took = bench::ms_since(begin);
  std::ifstream lines{effects};
  std::set<std::string> seen;
  std::size_t total = 0;
  for (std::string line; std::getline(lines, line); ++total)
    seen.insert(line);
  fmt::print("{{\"bench\":\"recover\",\"in_flight\":{},\"done_before_kill\":{},"
             "\"all_done_ms\":{:.0f},\"distinct\":{},\"duplicates\":{},\"synchronous\":\"full\"}}\n",
             n, early, took, seen.size(), total - seen.size());
}
