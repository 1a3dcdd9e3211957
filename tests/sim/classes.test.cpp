// The table of effect classes, row by row.
#include "tests/kit/counts.hpp"
#include "tests/kit/sweep.hpp"
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// One call of the tool that the test is about, then one that shows that it went on.
task<receipt> calls_once(order in) {
  auto first = co_await tool("aut").arg("id", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.note = first ? *first : std::string{to_string(first.error().code)};
  if (!first && first.error().outcome == certainty::unknown)
    out.note += ", unknown";
  auto second = co_await tool("charge").call<std::string>();
  out.steps = second ? 1 : 0;
  co_return out;
}

// A service under test (`tool:aut`) of this class.
kit::stage_options with_tool(effect_class cls, bool reconciles = false) {
  play("calls_once", calls_once);
  auto o = cast_of({"calls_once"});
  o.services.push_back(service("tool:aut", cls, reconciles));
  return o;
}

void reconciles_as(kit::stage_options& o, reconcile_state s, std::string body = {}) {
  find_service(o, "tool:aut").reconcile = [s, body](const reconcile_request&) {
    return reconcile_reply{s, body};
  };
}

// Crashes right after the tool has had its effect, before anybody knows.
void crash_in_flight(kit::world& w, const kit::stage_options& o) {
  kit::stage stage{w, o};
  stage.invoke("calls_once", one_order, "k");
  stage.run_until([&] { return w.total("tool:aut") > 0; });
  w.crashed = true;
  w.disk->crash();
}

// Crashes when the command is durable and nothing has been sent: the service saw nothing.
void crash_before_sending(kit::world& w, kit::stage_options o) {
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) {
    a.effect = false;
    a.silent = true;
  });
  kit::stage stage{w, o};
  stage.invoke("calls_once", one_order, "k");
  stage.run_until([&] { return !w.calls["tool:aut"].empty(); });
  w.calls.clear();
  w.crashed = true;
  w.disk->crash();
}

kit::answer finish(kit::world& w, const kit::stage_options& o) {
  return drive(w, o, "calls_once", one_order, "k");
}

// The next life, up to its parking.
std::string parks_because(kit::world& w, const kit::stage_options& o) {
  kit::stage stage{w, o};
  auto a = stage.invoke("calls_once", one_order, "k");
  REQUIRE(reaches(stage, "1", store::status::parked, 10min));
  auto parked = entries_of<journal::parked>(stage, "1");
  CHECK(parked.size() == 1);
  return parked.back().why;
}

} // namespace

TEST_CASE("after a crash in flight, pure and read calls are made again", "[classes]") {
  for (auto cls : {effect_class::pure, effect_class::read}) {
    kit::world w;
    auto o = with_tool(cls);
    crash_in_flight(w, o);
    auto a = finish(w, o);
    CHECK(receipt_of(a).note == "did tool:aut");
    CHECK(w.total("tool:aut") == 2);
  }
}

TEST_CASE("after a crash in flight, an idempotent call is made again with the same key",
          "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::idempotent);
  crash_in_flight(w, o);
  auto a = finish(w, o);
  CHECK(receipt_of(a).note == "did tool:aut");
  CHECK(w.calls["tool:aut"] == std::vector<std::string>(2, a.id + "/0/0/-/0"));
}

TEST_CASE("after its key's time an idempotent call is treated as at_most_once", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::idempotent, true);
  find_service(o, "tool:aut").info.key_ttl = 1h;
  crash_in_flight(w, o);
  w.elapsed += 2h;
  auto a = finish(w, o);
  CHECK(receipt_of(a).note == "did tool:aut"); // reconciled
  CHECK(w.total("tool:aut") == 1);

  kit::world parked;
  auto silent = with_tool(effect_class::idempotent);
  find_service(silent, "tool:aut").info.key_ttl = 1h;
  crash_in_flight(parked, silent);
  parked.elapsed += 2h;
  CHECK(parks_because(parked, silent)
        == "the process ended while the call was in flight; the tool declares no reconcile");
  CHECK(parked.total("tool:aut") == 1);
}

TEST_CASE("after a crash in flight, an at_most_once call that is done is not repeated",
          "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  crash_in_flight(w, o);
  auto a = finish(w, o);
  CHECK(receipt_of(a).note == "did tool:aut");
  CHECK(w.total("tool:aut") == 1);
}

TEST_CASE("not_done is trusted only once nothing can be in flight any more", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  find_service(o, "tool:aut").info.total_timeout = 30s;
  crash_before_sending(w, o);
  kit::stage stage{w, o};
  auto begun = stage.now();
  auto a = stage.invoke("calls_once", one_order, "k");
  stage.run_until([&] { return w.total("tool:aut") > 0; });

  CHECK(stage.now() - begun >= 29s);
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).note == "did tool:aut");
  CHECK(w.calls["tool:aut"] == std::vector<std::string>{a->id + "/0/0/-/0"});
}

TEST_CASE("the time in flight counts from the last sending, over crashes", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  find_service(o, "tool:aut").info.total_timeout = 30s;
  crash_before_sending(w, o);
  // The second sending is cut off as well, before the far side has done it.
  auto lost = o;
  on_call(lost, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) {
    a.effect = false;
    a.silent = true;
  });
  utc_time sent_again{};
  {
    kit::stage stage{w, lost};
    stage.run_until([&] { return !w.calls["tool:aut"].empty(); });
    sent_again = stage.now();
    w.crashed = true;
    w.disk->crash();
  }
  w.calls.clear();
  kit::stage stage{w, o};
  stage.run_until([&] { return w.total("tool:aut") > 0; });
  CHECK(stage.now() - sent_again >= 30s);
  CHECK(w.calls["tool:aut"].size() == 1);
}

TEST_CASE("an unknown outcome parks and says why, since when, and what is asked", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  reconciles_as(o, reconcile_state::unknown, "the ledger is down");
  crash_in_flight(w, o);
  CHECK(parks_because(w, o)
        == "its outcome is unknown, and reconcile says: the ledger is down");
  CHECK(w.total("tool:aut") == 1);
}

TEST_CASE("an at_most_once call without reconcile parks after a crash", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once);
  crash_in_flight(w, o);
  CHECK(parks_because(w, o)
        == "the process ended while the call was in flight; the tool declares no reconcile");
}

TEST_CASE("a run step of class at_most_once parks after a crash, an idempotent one runs again",
          "[classes]") {
  for (auto cls : {effect_class::at_most_once, effect_class::idempotent}) {
    static kit::world* world = nullptr;
    static effect_class of;
    kit::world w;
    world = &w;
    of = cls;
    play("runs", [](order in) -> task<receipt> {
      auto n = co_await run("count", of, [] {
        world->effect("own", "step", "");
        return static_cast<int>(world->count("own", "step"));
      });
      receipt out;
      out.id = in.id;
      out.steps = n.value_or(-1);
      co_return out;
    });
    auto o = cast_of({"runs"});
    {
      kit::stage stage{w, o};
      w.crash_at = {5}; // the boundaries of two commits, then the step itself
      stage.invoke("runs", one_order, "k");
      stage.run_until([] { return false; }, 1min);
      REQUIRE(w.crashed);
    }
    kit::stage stage{w, o};
    if (cls == effect_class::idempotent) {
      auto a = stage.invoke("runs", one_order, "k");
      stage.run_until([&] { return a->ended; });
      CHECK(receipt_of(*a).steps >= 1);
      CHECK(w.total("own") <= 2);
    } else if (w.total("own") == 1) {
      REQUIRE(reaches(stage, "1", store::status::parked, 1min));
      CHECK(entries_of<journal::parked>(stage, "1").back().why
            == "the process ended while it ran, and a run step cannot be reconciled");
      CHECK(w.total("own") == 1);
    }
  }
}

TEST_CASE("a call that times out is settled by its class", "[classes]") {
  auto timed_out = [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 0)
      a.value = error{errc::timed_out, "no answer", certainty::unknown};
  };
  SECTION("read and idempotent: the error reaches the agent") {
    for (auto cls : {effect_class::read, effect_class::idempotent}) {
      kit::world w;
      auto o = with_tool(cls);
      on_call(o, "tool:aut", timed_out);
      CHECK(receipt_of(finish(w, o)).note == "timed_out, unknown");
    }
  }
  SECTION("at_most_once: done, says reconcile") {
    kit::world w;
    auto o = with_tool(effect_class::at_most_once, true);
    on_call(o, "tool:aut", timed_out);
    reconciles_as(o, reconcile_state::done, R"("it was done")");
    CHECK(receipt_of(finish(w, o)).note == "it was done");
    CHECK(w.total("tool:aut") == 1);
  }
  SECTION("at_most_once: not done, so it is sent again with the same key") {
    kit::world w;
    auto o = with_tool(effect_class::at_most_once, true);
    on_call(o, "tool:aut", [&](kit::scripted_answer& a, std::uint32_t nth) {
      timed_out(a, nth);
      a.effect = nth > 0;
    });
    auto a = finish(w, o);
    CHECK(receipt_of(a).note == "did tool:aut");
    CHECK(w.calls["tool:aut"] == std::vector<std::string>(2, a.id + "/0/0/-/0"));
    CHECK(w.total("tool:aut") == 1);
  }
  SECTION("at_most_once without reconcile: it parks") {
    kit::world w;
    auto o = with_tool(effect_class::at_most_once);
    on_call(o, "tool:aut", timed_out);
    CHECK(parks_because(w, o) == "timed_out: no answer; the tool declares no reconcile");
  }
}

TEST_CASE("a service that never answers is settled too", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) { a.silent = true; });
  auto a = finish(w, o);
  CHECK(receipt_of(a).note == "did tool:aut");
  CHECK(w.total("tool:aut") == 1);
}

TEST_CASE("a definite failure is an error in every class, and nothing is asked", "[classes]") {
  for (auto cls : {effect_class::pure, effect_class::read, effect_class::idempotent,
                   effect_class::at_most_once}) {
    kit::world w;
    auto o = with_tool(cls, true);
    on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) {
      a.value = error{errc::failed, "card declined"};
      a.effect = false;
    });
    find_service(o, "tool:aut").reconcile = [](const reconcile_request&) {
      FAIL("a definite outcome needs no reconcile");
      return reconcile_reply{};
    };
    CHECK(receipt_of(finish(w, o)).note == "failed");
    CHECK(w.calls["tool:aut"].size() == 1);
  }
}

TEST_CASE("what surely did not happen is sent again a bounded number of times", "[classes]") {
  kit::world w;
  auto o = with_tool(effect_class::at_most_once, true);
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) {
    a.value = error{errc::timed_out, "no answer", certainty::unknown};
    a.effect = false;
  });
  CHECK(receipt_of(finish(w, o)).note == "unavailable");
  CHECK(w.calls["tool:aut"].size() == std::size_t{1} + o.invocations.reissues_max);
}

namespace {

// A call against a timer that is faster.
task<receipt> loses(order in) {
  auto timed = co_await with_timeout(50ms, tool("aut").arg("id", in.id).call<std::string>());
  receipt out;
  out.id = in.id;
  out.note = timed ? *timed : std::string{to_string(timed.error().code)};
  auto second = co_await tool("charge").call<std::string>();
  auto slept = co_await sleep(in.amount == 1 ? 2min : 0min);
  out.steps = second && slept;
  co_return out;
}

kit::stage_options slow_tool(effect_class cls, bool reconciles = false) {
  auto o = with_tool(cls, reconciles);
  play("loses", loses);
  o.agents.push_back(named("loses"));
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 5s; });
  return o;
}

} // namespace

TEST_CASE("a call that loses a race is stopped, what may have happened is written down",
          "[classes]") {
  for (auto cls : {effect_class::read, effect_class::idempotent, effect_class::at_most_once}) {
    kit::world w;
    kit::stage stage{w, slow_tool(cls)};
    auto a = stage.invoke("loses", one_order);
    stage.run_until([&] { return a->ended; });

    auto key = a->id + "/0/0/0.0/0";
    CHECK(receipt_of(*a).note == "timed_out");
    CHECK(w.cancelled["tool:aut"] == std::vector<std::string>{key});
    auto maybe = notes_of(stage, a->id, "may_have_happened");
    if (cls == effect_class::read)
      CHECK(maybe.empty());
    else
      CHECK(maybe == std::vector<std::string>{to_json(key)});
    CHECK(notes_of(stage, a->id, "late_result")
          == std::vector<std::string>{R"("did tool:aut")"});
  }
}

TEST_CASE("a lost at_most_once call is reconciled in the background", "[classes]") {
  for (auto* input : {R"({"id":"T-1","amount":1})", R"({"id":"T-1","amount":0})"}) {
    kit::world w;
    kit::stage stage{w, slow_tool(effect_class::at_most_once, true)};
    auto a = stage.invoke("loses", input);
    stage.run_until([&] { return a->ended; });
    stage.run(2min); // the second one ends before its call can be asked about
    auto said = notes_of(stage, a->id, "reconciled");
    REQUIRE(said.size() == 1);
    CHECK(said.front() == R"({"key":")" + a->id + R"(/0/0/0.0/0","state":"done"})");
  }
}

TEST_CASE("a lost at_most_once call is reconciled after a restart too, once", "[classes][sweep]") {
  const auto* ends_at_once = R"({"id":"T-1","amount":0})";
  auto report = kit::for_each_crash_point([&](kit::world& w) {
    std::string id;
    for (int life = 0; life < 4; ++life) {
      kit::stage stage{w, slow_tool(effect_class::at_most_once, true)};
      auto a = stage.invoke("loses", ends_at_once, "k");
      stage.run_until([&] { return a->ended; });
      id = a->id;
      if (life == 3 && !w.crashed) // the process has ended in between, before it could ask
        stage.run(2min);
    }
    kit::stage last{w, slow_tool(effect_class::at_most_once, true)};
    last.run(2min);
    auto maybe = notes_of(last, id, "may_have_happened").size();
    auto said = notes_of(last, id, "reconciled").size();
    kit::require(maybe <= 1 && said == maybe, "what may have happened was not asked about once");
  });
  kit::count("crash points", report.crash_points);
  CHECK(report.crash_points > 3);
}
