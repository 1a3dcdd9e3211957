// The timeout cascade in virtual time, with its true times: ten times 12,000 invocations a day, a
// pool of ten agents, a tool of which each fiftieth call fails and which hangs for 30 s, each call of
// it, for ten minutes. The topology is the example's own, with the guards that it declares; and once
// without them, with the timeout that such clients have.

#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr auto hour = milliseconds{1h};
constexpr double per_hour = 120'000.0 / 24;
constexpr auto outage_from = milliseconds{20min};
constexpr auto outage_to = milliseconds{30min};

struct plan {
  bool guarded = true;
  bool faults = true;
};

/// What became of an hour's invocations.
struct account {
  std::size_t invocations = 0;
  std::size_t answered = 0;
  std::size_t degraded = 0;
  std::size_t asked = 0;       ///< calls that the customers' service has seen
  milliseconds unaffected_p99{}; ///< of those that need no customer

  double success() const {
    return static_cast<double>(answered) / static_cast<double>(invocations);
  }
};

std::string slurp(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// Takes the guards of `crm` out of the topology, and gives it the timeout that people give it.
std::string unguarded(std::string toml) {
  auto begin = toml.find("[tools.crm]");
  auto end = toml.find("\n\n", begin);
  REQUIRE(begin != toml.npos);
  return toml.replace(begin, end - begin, R"([tools.crm]
kind = "http"
effect = "read"
method = "GET"
url = "${SERVICE_URL}/customers/{id}"
timeout = "35s"
total_timeout = "40s"
attempts_max = 1
breaker.enabled = false
)");
}

kit::stage_options options_of(plan p, const kit::stage* const& now, std::size_t& asked) {
  auto toml = slurp(fs::path{test::paths::source_dir} / "examples/disasters/cascade.toml");
  auto o = kit::play_text(
    p.guarded ? toml : unguarded(toml),
    {{"SERVICE_URL", "http://outside"},
     {"DISASTERS_PLUGIN", (fs::path{test::paths::build_dir} / "lib/libdisasters.so").string()}});
  o.http.on("GET", "http://outside/orders/", [](kit::world&, const net::http_request&) {
    kit::http_reply r;
    r.body = R"({"state":"sent"})";
    r.latency = 200ms;
    return r;
  });
  o.http.on("GET", "http://outside/customers/",
            [p, &now, &asked, begun = utc_time{}](kit::world&, const net::http_request&) mutable {
              kit::http_reply r;
              if (begun == utc_time{})
                begun = now->now();
              auto at = now->now() - begun;
              r.body = R"({"name":"Ada"})";
              r.latency = 300ms;
              ++asked;
              if (p.faults && at >= outage_from && at < outage_to)
                r.latency = 30s;
              else if (p.faults && asked % 50 == 0)
                r.status = 500;
              return r;
            });
  return o;
}

account play(plan p) {
  account out;
  kit::world world;
  const kit::stage* now = nullptr;
  kit::stage stage{world, options_of(p, now, out.asked)};
  now = &stage;
  std::mt19937_64 chance{2026};
  std::exponential_distribution<double> gap{per_hour / static_cast<double>(hour.count())};
  std::vector<std::shared_ptr<kit::answer>> answers;
  for (auto at = 0.0; at < static_cast<double>(hour.count());) {
    auto step = gap(chance);
    stage.advance(milliseconds{static_cast<milliseconds::rep>(at + step)
                               - static_cast<milliseconds::rep>(at)});
    at += step;
    auto n = answers.size();
    answers.push_back(stage.invoke(
      "support", fmt::format(R"({{"order":"{}","customer":"{}"}})", n,
                             n % 2 == 0 ? std::string{} : std::to_string(n))));
  }
  stage.run();

  std::vector<milliseconds> unaffected;
  out.invocations = answers.size();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto& a = *answers[i];
    out.answered += a.ended && a.value ? 1 : 0;
    out.degraded += a.ended && a.value && a.value->find("true") != std::string::npos ? 1 : 0;
    if (i % 2 != 0)
      continue;
    auto record = stage.record_of(a.id);
    REQUIRE(record);
    unaffected.push_back(
      std::chrono::duration_cast<milliseconds>(record->updated - record->created));
  }
  std::sort(unaffected.begin(), unaffected.end());
  out.unaffected_p99 = unaffected[unaffected.size() * 99 / 100];
  return out;
}

std::string text_of(std::string_view name, const account& a) {
  return fmt::format("{}: {} of {} answered ({:.1f} %), {} degraded, p99 of the unaffected {} ms, "
                     "{} calls over there\n",
                     name, a.answered, a.invocations, 100 * a.success(), a.degraded,
                     a.unaffected_p99.count(), a.asked);
}

} // namespace

TEST_CASE("a tool that hangs for ten minutes takes a naive pool down, and no agent of troupe's") {
  auto calm = play({.guarded = true, .faults = false});
  auto naive = play({.guarded = false, .faults = true});
  auto guarded = play({.guarded = true, .faults = true});

  std::cout << text_of("calm", calm) << text_of("naive", naive) << text_of("guarded", guarded);
  CHECK(calm.success() == 1.0);
  CHECK(calm.degraded == 0);
  CHECK(naive.success() < 0.95);
  CHECK(naive.unaffected_p99 > 30s); // behind ten agents that all wait
  CHECK(guarded.success() >= 0.983);
  CHECK(guarded.degraded > 0);
  CHECK(guarded.unaffected_p99 * 10 <= calm.unaffected_p99 * 11);
}
