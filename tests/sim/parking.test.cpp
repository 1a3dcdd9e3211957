// Effects that wait for a person, and the decisions on them.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;
using journal::verdict;

namespace {

task<receipt> fires(order in) {
  auto fired = co_await tool("fire").arg("id", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.note = fired ? *fired : std::string{to_string(fired.error().code)};
  auto charged = co_await tool("charge").call<std::string>();
  out.steps = charged ? 1 : 0;
  co_return out;
}

// The first call's answer is lost; whether it happened, `effect` says.
kit::stage_options lost_answer(bool effect) {
  play("fires", fires);
  auto o = cast_of({"fires"});
  on_call(o, "tool:fire", [effect](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth > 0)
      return;
    a.value = error{errc::timed_out, "no answer", certainty::unknown};
    a.effect = effect;
  });
  return o;
}

} // namespace

TEST_CASE("resolve --done gives the agent a person's answer, live and passivated", "[parking]") {
  play("fires", fires);
  for (auto passivated : {false, true}) {
    kit::world w;
    auto o = lost_answer(true);
    if (!passivated)
      o.agents.front().passivate_after = 0ms;
    kit::stage stage{w, o};
    auto a = stage.invoke("fires", one_order);
    REQUIRE(reaches(stage, "1", store::status::parked));
    stage.run(10s);
    CHECK(resolve_it(stage, a->id, verdict::done, R"("by hand")"));
    stage.run_until([&] { return a->ended; });

    CHECK(receipt_of(*a).note == "by hand");
    CHECK(w.total("tool:fire") == 1);
  }
}

TEST_CASE("resolve --not-done sends it again with the same key", "[parking]") {
  kit::world w;
  kit::stage stage{w, lost_answer(false)};
  auto a = stage.invoke("fires", one_order);
  REQUIRE(reaches(stage, "1", store::status::parked));
  CHECK(resolve_it(stage, a->id, verdict::not_done));
  stage.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).note == "did tool:fire");
  CHECK(w.calls["tool:fire"] == std::vector<std::string>(2, a->id + "/0/0/-/0"));
  CHECK(w.total("tool:fire") == 1);
}

TEST_CASE("resolve --abort fails the invocation with outcome_unknown", "[parking]") {
  kit::world w;
  kit::stage stage{w, lost_answer(true)};
  auto a = stage.invoke("fires", one_order);
  REQUIRE(reaches(stage, "1", store::status::parked));
  CHECK(resolve_it(stage, a->id, verdict::abort));
  stage.run_until([&] { return a->ended; });

  CHECK(a->state == store::status::failed);
  CHECK(a->value.error().code == errc::outcome_unknown);
  CHECK(w.total("tool:charge") == 0);
}

TEST_CASE("only what is parked is resolved, and only once", "[parking]") {
  play("waits", [](order) -> task<receipt> {
    (void)co_await signal<raw_json>("go");
    co_return receipt{};
  });
  kit::world w;
  auto o = lost_answer(true);
  o.agents.push_back(named("waits"));
  kit::stage stage{w, o};
  auto a = stage.invoke("fires", one_order);
  auto b = stage.invoke("waits", one_order);
  REQUIRE(reaches(stage, "1", store::status::parked));
  stage.run_until([&] { return b->accepted; });

  CHECK(resolve_it(stage, b->id, verdict::done).error().code == errc::conflict);
  CHECK(resolve_it(stage, "nobody-7", verdict::done).error().code == errc::not_found);
  CHECK(resolve_it(stage, a->id, verdict::done, "{broken").error().code == errc::invalid_input);
  CHECK(resolve_it(stage, a->id, verdict::done, R"("yes")"));
  stage.run_until([&] { return a->ended; });
  CHECK(resolve_it(stage, a->id, verdict::done).error().code == errc::not_found);
}

namespace {

// Lives until the answer is there; a parked effect is resolved as often as the client had no answer.
kit::answer drive_resolving(kit::world& w, const kit::stage_options& options, const char* agent,
                            verdict v, const std::string& value) {
  for (std::uint64_t life = 0; life < 20; ++life) {
    auto o = options;
    o.seed += life;
    kit::stage stage{w, o};
    auto a = stage.invoke(agent, one_order, "k");
    auto parked = [&] {
      return !w.crashed && a->accepted && status_of(stage, a->id) == store::status::parked;
    };
    for (int i = 0; i < 5 && !w.crashed && !a->ended; ++i) {
      stage.run_until([&] { return a->ended || a->refused || parked(); }, 10min);
      if (parked())
        (void)resolve_it(stage, a->id, v, value);
    }
    if (a->ended && !w.crashed)
      return *a;
  }
  return {};
}

} // namespace

TEST_CASE("a decision survives a crash at every boundary", "[parking][sweep]") {
  auto done = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive_resolving(w, lost_answer(true), "fires", verdict::done, R"("by hand")");
      REQUIRE(a.state == store::status::completed);
      CHECK(receipt_of(a).note == "by hand");
      CHECK(w.total("tool:fire") <= 1); // 0: the crash came before it was sent
      CHECK(w.effects["tool:charge"].size() == 1);
    },
    true);
  auto abort = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive_resolving(w, lost_answer(true), "fires", verdict::abort, "null");
      REQUIRE(a.state == store::status::failed);
      CHECK(a.value.error().code == errc::outcome_unknown);
      CHECK(w.total("tool:fire") <= 1);
    },
    true);
  WARN("resolve: " << done.runs << " runs done, " << abort.runs << " runs aborted");
}

TEST_CASE("a person who looks before saying not-done is never made a liar by a crash",
          "[parking][sweep]") {
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      kit::answer last;
      for (std::uint64_t life = 0; life < 20 && !last.ended; ++life) {
        auto o = lost_answer(false);
        o.seed += life;
        if (life > 0) // a new process does not know that an answer was lost before
          o = [&] {
            auto fresh = cast_of({"fires"});
            fresh.seed += life;
            return fresh;
          }();
        kit::stage stage{w, o};
        auto a = stage.invoke("fires", one_order, "k");
        auto parked = [&] {
          return !w.crashed && a->accepted && status_of(stage, a->id) == store::status::parked;
        };
        for (int i = 0; i < 5 && !w.crashed && !a->ended; ++i) {
          stage.run_until([&] { return a->ended || a->refused || parked(); }, 10min);
          if (parked())
            (void)resolve_it(stage, a->id,
                             w.total("tool:fire") > 0 ? verdict::done : verdict::not_done,
                             R"("seen")");
        }
        if (a->ended && !w.crashed)
          last = *a;
      }
      REQUIRE(last.state == store::status::completed);
      CHECK(w.total("tool:fire") == 1);
      CHECK(w.effects["tool:charge"].size() == 1);
    },
    true);
  WARN("not done: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("two branches park one by one, while a third goes on", "[parking]") {
  play("two_fires", [](order in) -> task<receipt> {
    auto slow = []() -> task<int> {
      for (int i = 0; i < 5; ++i)
        (void)co_await sleep(1min);
      co_return 5;
    };
    auto all = co_await when_all(tool("fire").arg("n", 1).call<std::string>(),
                                 tool("fire").arg("n", 2).call<std::string>(), slow());
    receipt out;
    out.id = in.id;
    out.note = std::get<0>(all).value_or("-") + std::get<1>(all).value_or("-");
    out.steps = std::get<2>(all).value_or(0);
    co_return out;
  });
  auto report = kit::for_each_crash_point([](kit::world& w) {
    auto o = cast_of({"two_fires"});
    on_call(o, "tool:fire", [](kit::scripted_answer& a, std::uint32_t) {
      a.value = error{errc::timed_out, "no answer", certainty::unknown};
    });
    auto a = drive_resolving(w, o, "two_fires", verdict::done, R"("x")");
    REQUIRE(a.state == store::status::completed);
    CHECK(receipt_of(a).note == "xx");
    CHECK(receipt_of(a).steps == 5);
    CHECK(w.most("tool:fire") <= 1);
  });
  WARN("two parked: " << report.runs << " runs");
}
