// Waiting for long without an actor, and waking.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

std::uint64_t live(kit::stage& stage) {
  auto all = ask<dispatcher_stats>(stage, stats_request{});
  std::uint64_t n = 0;
  for (auto& a : all.agents)
    n += a.live;
  return n;
}

task<receipt> sleeps(order in) {
  auto slept = co_await sleep(1h);
  auto done = co_await tool("charge").call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = slept && done;
  co_return out;
}

} // namespace

TEST_CASE("a long sleep gives the actor back at once, and ends on time", "[passivation]") {
  play("sleeps", sleeps);
  kit::world w;
  kit::stage stage{w, cast_of({"sleeps"})};
  auto begun = stage.now();
  auto a = stage.invoke("sleeps", one_order);
  stage.run(1s);
  CHECK(live(stage) == 0);
  CHECK(status_of(stage, a->id) == store::status::suspended);
  stage.run_until([&] { return a->ended; }, 2h);
  CHECK(receipt_of(*a).steps == 1);
  CHECK(stage.now() - begun >= 1h);
  CHECK(stage.now() - begun < 61min);
}

TEST_CASE("a sleep that ended while the process was down is over at the next start",
          "[passivation]") {
  play("sleeps", sleeps);
  kit::world w;
  {
    kit::stage stage{w, cast_of({"sleeps"})};
    stage.invoke("sleeps", one_order, "k");
    stage.run(1min);
  }
  w.elapsed += 5h;
  kit::stage stage{w, cast_of({"sleeps"})};
  auto a = stage.invoke("sleeps", one_order, "k");
  auto begun = stage.now();
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).steps == 1);
  CHECK(stage.now() - begun < 1s);
}

TEST_CASE("a signal wakes a passivated invocation", "[passivation]") {
  play("approved", [](order in) -> task<receipt> {
    auto yes = co_await signal<std::string>("approve");
    receipt out;
    out.id = in.id;
    out.note = yes.value_or("?");
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"approved"})};
  auto a = stage.invoke("approved", one_order);
  stage.run(10min);
  CHECK(live(stage) == 0);
  CHECK(status_of(stage, a->id) == store::status::suspended);
  REQUIRE(signal_it(stage, a->id, "other"));
  stage.run(10min);
  CHECK(live(stage) == 0);
  CHECK(status_of(stage, a->id) == store::status::suspended);
  REQUIRE(signal_it(stage, a->id, "approve", R"("go")"));
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).note == "go");
}

TEST_CASE("a parent that waits for a sleeping child sleeps too, and its answer survives a crash "
          "at every boundary",
          "[passivation][sweep]") {
  play("sleeps", sleeps);
  play("waits_for_child", [](order in) -> task<receipt> {
    co_return co_await invoke<receipt>("sleeps", in);
  });
  {
    kit::world w;
    kit::stage stage{w, cast_of({"sleeps", "waits_for_child"})};
    auto a = stage.invoke("waits_for_child", one_order);
    stage.run(10min);
    CHECK(live(stage) == 0);
    stage.run_until([&] { return a->ended; }, 2h);
    CHECK(receipt_of(*a).steps == 1);
  }
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive(w, cast_of({"sleeps", "waits_for_child"}), "waits_for_child", one_order);
      REQUIRE(a.ended);
      CHECK(receipt_of(a).steps == 1);
      CHECK(w.effects["tool:charge"].size() == 1);
    },
    true);
  WARN("sleeping child: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("signals and timers that race a passivation are never lost", "[passivation]") {
  play("three_signals", [](order in) -> task<receipt> {
    receipt out;
    out.id = in.id;
    for (int i = 0; i < 3; ++i) {
      auto first = co_await when_any(signal<std::string>("go"),
                                     []() -> task<std::string> {
                                       (void)co_await sleep(4s);
                                       co_return std::string{"t"};
                                     }());
      out.note += first.value.value_or("?");
    }
    auto done = co_await tool("charge").arg("n", out.note).call<std::string>();
    out.steps = done ? 1 : 0;
    co_return out;
  });
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    kit::world w;
    auto o = cast_of({"three_signals"}, seed);
    kit::stage stage{w, o};
    auto a = stage.invoke("three_signals", one_order);
    stage.run_until([&] { return a->accepted; });
    // Around the moments at which it goes: 2 s after it began to wait.
    std::mt19937_64 chance{seed};
    std::vector<std::shared_ptr<std::optional<command_reply>>> replies;
    for (int i = 0; i < 3; ++i) {
      stage.advance(std::chrono::milliseconds{1950 + chance() % 100});
      signal_request s;
      s.id = a->id;
      s.name = "go";
      s.value = R"("s")";
      replies.push_back(stage.ask<command_reply>(std::move(s)));
    }
    INFO("seed " << seed);
    stage.run_until([&] { return a->ended; }, 10min);
    REQUIRE(a->ended);
    CHECK(receipt_of(*a).steps == 1);
    seen.insert(receipt_of(*a).note);
  }
  CHECK(seen.contains("sss"));
}

TEST_CASE("signals sent at once, in any schedule, are consumed in their order", "[passivation]") {
  play("collects5", [](order in) -> task<receipt> {
    receipt out;
    out.id = in.id;
    for (int i = 0; i < 5; ++i)
      out.note += (co_await signal<std::string>("n")).value_or("?");
    co_return out;
  });
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    kit::world w;
    auto o = cast_of({"collects5"}, seed);
    o.agents.front().passivate_after = 1ms;
    kit::stage stage{w, o};
    auto a = stage.invoke("collects5", one_order);
    stage.run_until([&] { return a->accepted; });
    std::mt19937_64 chance{seed};
    for (int i = 0; i < 5; ++i) {
      signal_request s;
      s.id = a->id;
      s.name = "n";
      s.value = '"' + std::to_string(i) + '"';
      (void)stage.ask<command_reply>(std::move(s));
      if (chance() % 2 == 0)
        stage.advance(std::chrono::milliseconds{chance() % 4});
    }
    stage.run_until([&] { return a->ended; }, 10min);
    INFO("seed " << seed);
    REQUIRE(a->ended);
    CHECK(receipt_of(*a).note == "01234");
  }
}

TEST_CASE("a signal that lost its race is there for the next who asks", "[passivation]") {
  play("loses_signal", [](order in) -> task<receipt> {
    // Both become ready in one turn; the first in the order of completions wins.
    auto first = co_await when_any(signal<std::string>("a"), signal<std::string>("b"));
    auto rest = co_await signal<std::string>(first.index == 0 ? "b" : "a");
    receipt out;
    out.id = in.id;
    out.note = first.value.value_or("?") + rest.value_or("?");
    co_return out;
  });
  auto report = kit::for_each_crash_point([](kit::world& w) {
    kit::answer last;
    int told = 0;
    for (std::uint64_t life = 0; life < 20 && !last.ended; ++life) {
      auto o = cast_of({"loses_signal"}, 1 + life);
      kit::stage stage{w, o};
      auto a = stage.invoke("loses_signal", one_order, "k");
      stage.run_until([&] { return a->accepted || a->refused; });
      stage.run(1min); // passivated: both are in the journal when it wakes
      for (; told < 2 && !w.crashed; ++told)
        if (!signal_it(stage, a->id, told == 0 ? "b" : "a", told == 0 ? R"("B")" : R"("A")"))
          break;
      stage.run_until([&] { return a->ended; }, 10min);
      if (!w.crashed && a->ended)
        last = *a;
    }
    REQUIRE(last.ended);
    auto note = receipt_of(last).note;
    CHECK((note == "AB" || note == "BA"));
  });
  WARN("lost signal: " << report.runs << " runs");
}

TEST_CASE("two thousand sleepers hold no actors, and all wake", "[passivation]") {
  play("sleeps", sleeps);
  kit::world w;
  std::vector<std::shared_ptr<kit::answer>> all;
  kit::stage stage{w, cast_of({"sleeps"})};
  for (int i = 0; i < 2'000; ++i)
    all.push_back(stage.invoke("sleeps", one_order));
  stage.run(10min);
  CHECK(live(stage) == 0);
  stage.run_until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
  }, 2h);
  CHECK(std::all_of(all.begin(), all.end(),
                    [](const auto& a) { return a->state == store::status::completed; }));
}
