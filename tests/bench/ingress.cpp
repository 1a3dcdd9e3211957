// Durable invocations over HTTP, with the real binary in a process of its own: empty ones, and ones
// of 10 durable steps.
//
//   bench_ingress [--seconds N] [--runs N] [--clients 1,16,64] [--step-clients 1,16,64,256]
//
// Client and server share the machine's cores. One JSON line each, the median of the runs.

#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/http_load.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace {

using namespace troupe;

/// `troupe run` on a fresh store; ends with its object.
class server {
public:
  explicit server(const std::filesystem::path& folder) : port_(bench::free_port()) {
    auto file = folder / "bench.toml";
    std::ofstream{file} << fmt::format(
      "[troupe]\nname = \"bench\"\nstore = \"bench.db\"\nlisten = \"127.0.0.1:{}\"\n"
      "plugins = [\"{}\"]\nlog = \"error\"\n"
      "[agents.bench_empty]\n[agents.bench_steps]\n",
      port_, TROUPE_BENCH_PLUGIN);
    auto text = file.string();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(TROUPE_BINARY, TROUPE_BINARY, "run", text.c_str(), static_cast<char*>(nullptr));
      std::_Exit(127);
    }
    for (int i = 0; i < 500 && !bench::listens(port_); ++i)
      ::usleep(20'000);
  }
  ~server() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }

private:
  std::uint16_t port_;
  pid_t pid_ = 0;
};

struct figure {
  double per_s;
  double p50;
  double p99;
  double errors;
  double server_cpu_per_1000;
  double server_rss_mib;
  double raw_us;
};

figure measure(const char* agent, const char* body, int clients, double seconds) {
  bench::scratch folder;
  figure f{};
  f.raw_us = bench::raw_commit_us(folder.path());
  std::uint64_t answers = 0;
  {
    server s{std::filesystem::absolute(folder.path())};
    auto path = fmt::format("/v1/agents/{}/invocations", agent);
    bench::http_load(s.port(), path, body, clients, seconds / 10);
    auto r = bench::http_load(s.port(), path, body, clients, seconds);
    answers = r.answers + static_cast<std::uint64_t>(static_cast<double>(r.answers) / 10);
    f.per_s = static_cast<double>(r.answers - r.errors) / r.seconds;
    f.p50 = bench::quantile(r.took_ms, 0.5);
    f.p99 = bench::quantile(r.took_ms, 0.99);
    f.errors = static_cast<double>(r.errors);
  }
  rusage u{};
  getrusage(RUSAGE_CHILDREN, &u);
  auto cpu = static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
             + static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
  f.server_cpu_per_1000 = cpu / static_cast<double>(answers) * 1000;
  f.server_rss_mib = static_cast<double>(u.ru_maxrss) / 1024;
  return f;
}

figure median_of(int runs, const char* agent, const char* body, int clients, double seconds) {
  std::vector<figure> all;
  for (int i = 0; i < runs; ++i)
    all.push_back(bench::in_fresh_process([&] { return measure(agent, body, clients, seconds); }));
  std::sort(all.begin(), all.end(),
            [](const figure& a, const figure& b) { return a.per_s < b.per_s; });
  return all[all.size() / 2];
}

} // namespace

int main(int argc, char** argv) {
  double seconds = 10;
  int runs = 5;
  std::vector<int> clients{1, 16, 64};
  std::vector<int> step_clients{1, 16, 64, 256};
  CLI::App app{"durable invocations over HTTP"};
  app.add_option("--seconds", seconds, "length of a run");
  app.add_option("--runs", runs, "fresh runs of each; the median is reported");
  app.add_option("--clients", clients, "connections, for empty invocations")->delimiter(',');
  app.add_option("--step-clients", step_clients, "connections, for steps")->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  for (auto c : clients) {
    auto f = median_of(runs, "bench_empty", "1", c, seconds);
    fmt::print("{{\"bench\":\"ingress\",\"clients\":{},\"requests_per_s\":{:.0f},\"p50_ms\":{:.3f},"
               "\"p99_ms\":{:.3f},\"errors\":{:.0f},\"server_cpu_s_per_1000\":{:.3f},"
               "\"server_rss_mib\":{:.1f},\"raw_commit_us\":{:.1f},\"synchronous\":\"full\"}}\n",
               c, f.per_s, f.p50, f.p99, f.errors, f.server_cpu_per_1000, f.server_rss_mib,
               f.raw_us);
    std::fflush(stdout);
  }
  for (auto c : step_clients) {
    auto f = median_of(runs, "bench_steps", "10", c, seconds);
    fmt::print("{{\"bench\":\"steps\",\"mode\":\"http\",\"concurrency\":{},\"steps_per_s\":{:.0f},"
               "\"p50_ms\":{:.3f},\"p99_ms\":{:.3f},\"cpu_s_per_1000_steps\":{:.4f},"
               "\"peak_rss_mib\":{:.1f},\"raw_commit_us\":{:.1f},\"errors\":{:.0f},"
               "\"synchronous\":\"full\"}}\n",
               c, f.per_s * 10, f.p50, f.p99, f.server_cpu_per_1000 / 10, f.server_rss_mib,
               f.raw_us, f.errors);
    std::fflush(stdout);
  }
}
