#include "runtime/telemetry/metrics.hpp"

#include "runtime/telemetry/metrics_sink.hpp"
#include "runtime/telemetry/troupe_metrics.hpp"
#include "tests/support/catch.hpp"

#include <stdexcept>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("what was counted stands in the exposition") {
  metrics aut;
  auto calls = aut.counters("desk_calls_total", "Calls.", {"tool", "result"});
  calls.with({"ticketing", "ok"}).add();
  calls.with({"ticketing", "ok"}).add(2);
  aut.gauges("desk_open", "Open ones.", {}).with({}).set(7);
  auto took = aut.histograms("desk_seconds", "Durations.", {"tool"}, {0.1, 1});
  took.with({"a"}).observe(50ms);
  took.with({"a"}).observe(2.0);

  auto text = aut.expose();

  INFO(text);
  CHECK(has(text, "# HELP desk_calls_total Calls.\n# TYPE desk_calls_total counter\n"));
  CHECK(has(text, "desk_calls_total{"));
  CHECK(has(text, "tool=\"ticketing\""));
  CHECK(has(text, "} 3\n"));
  CHECK(has(text, "desk_open 7\n"));
  CHECK(has(text, "desk_seconds_bucket{tool=\"a\",le=\"0.1\"} 1\n"));
  CHECK(has(text, "desk_seconds_count{tool=\"a\"} 2\n"));
}

TEST_CASE("the same name gives the same family, and a contradiction is a bug") {
  metrics aut;
  auto first = aut.counters("x_total", "X.", {"a"}).with({"1"});
  auto again = aut.counters("x_total", "X.", {"a"}).with({"1"});
  first.add();

  CHECK(again.value() == 1);
  CHECK_THROWS_AS(aut.counters("x_total", "X.", {"b"}), std::logic_error);
  CHECK_THROWS_AS(aut.gauges("x_total", "X.", {"a"}), std::logic_error);
  CHECK_THROWS_AS(aut.counters("x_total", "X.", {"a"}).with({"1", "2"}), std::logic_error);
}

TEST_CASE("labels that differ only in where they are cut are different series") {
  metrics aut;
  auto family = aut.counters("x_total", "X.", {"a", "b"});

  family.with({"ab", "c"}).add();

  CHECK(family.with({"a", "bc"}).value() == 0);
}

TEST_CASE("a family does not grow without bound") {
  metrics aut{2};
  auto family = aut.counters("x_total", "X.", {"id"});
  for (int i = 0; i < 10; ++i)
    family.with({std::to_string(i)}).add();

  CHECK(family.with({"0"}).value() == 1);
  CHECK(family.with({"9"}).value() == 8);
  CHECK(has(aut.expose(), "x_total{id=\"other\"} 8\n"));
}

TEST_CASE("counts of several threads add up") {
  metrics aut;
  auto family = aut.counters("x_total", "X.", {"a"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1'000; ++i)
        family.with({std::to_string(i % 5)}).add();
    });
  for (auto& thread : threads)
    thread.join();

  double sum = 0;
  for (int i = 0; i < 5; ++i)
    sum += family.with({std::to_string(i)}).value();
  CHECK(sum == 4'000);
}

TEST_CASE("the state of a breaker is a metric") {
  metrics registry;
  troupe_metrics numbers{registry};
  metrics_sink aut{numbers};
  auto changed = [&](std::string service, std::string state) {
    event e;
    e.name = "breaker.changed";
    e.service = std::move(service);
    e.result = std::move(state);
    aut.write(e);
  };

  changed("tool:desk", "open");
  changed("llm:fast", "open");
  changed("llm:fast", "half_open");
  event failed;
  failed.name = "journal.commit_failed";
  aut.write(failed);

  auto text = registry.expose();
  CHECK(has(text, "troupe_breaker_state{breaker=\"tool:desk\"} 2\n"));
  CHECK(has(text, "troupe_breaker_state{breaker=\"llm:fast\"} 1\n"));
  CHECK(has(text, "troupe_breaker_state{breaker=\"store\"} 2\n"));
}

TEST_CASE("the metrics of troupe are there from the start") {
  metrics registry;
  troupe_metrics aut{registry};
  aut.invocations.with({"triage", "completed"}).add();
  aut.journal_commit.observe(100us);
  aut.journal_batch_rows.observe(12.0);
  aut.journal_syncs.add();
  aut.http_latency.with({"/v1/invocations/{id}"}).observe(3ms);

  auto text = registry.expose();

  CHECK(has(text, "troupe_invocations_total{"));
  CHECK(has(text, "troupe_journal_commit_seconds_bucket{le=\"0.0001\"} 1\n"));
  CHECK(has(text, "troupe_journal_batch_rows_bucket{le=\"16\"} 1\n"));
  CHECK(has(text, "troupe_journal_syncs_total 1\n"));
  CHECK(has(text, "troupe_http_request_seconds_count{route=\"/v1/invocations/{id}\"} 1\n"));
}
