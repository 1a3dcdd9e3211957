// `troupe retry`: successes are served again, what failed runs anew.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// A lookup, a call of `aut`, and a post; fails where one fails.
task<receipt> three_steps(order in) {
  auto a = co_await tool("look").call<std::string>();
  if (!a)
    co_return std::move(a).error();
  auto b = co_await tool("aut").arg("id", in.id).call<std::string>();
  if (!b)
    co_return std::move(b).error();
  auto c = co_await tool("post").arg("b", *b).call<std::string>();
  if (!c)
    co_return std::move(c).error();
  receipt out;
  out.id = in.id;
  out.note = *b;
  out.steps = 3;
  co_return out;
}

kit::stage_options failing_at_first(effect_class cls, certainty known, bool reconciles = false) {
  play("three_steps", three_steps);
  auto o = cast_of({"three_steps"});
  o.services.push_back(service("tool:aut", cls, reconciles));
  on_call(o, "tool:aut", [known](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth > 0)
      return;
    a.value = error{errc::failed, "not today", known};
    a.effect = known == certainty::unknown;
  });
  return o;
}

// The second call is refused, beside the first one's failure.
void fails_second(kit::stage_options& o) {
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 1)
      a.value = error{errc::failed, "not today"};
    a.effect = a.value.has_value();
  });
}

// Runs until it has failed, then retries it and waits for its new end.
kit::answer retried(kit::stage& stage, const std::string& agent) {
  auto a = stage.invoke(agent, one_order, "k");
  stage.run_until([&] { return a->ended; });
  REQUIRE(a->state == store::status::failed);
  REQUIRE(command(stage, retry_request{a->id}));
  auto again = stage.invoke(agent, one_order, "k");
  stage.run_until([&] { return again->ended || again->refused; });
  CHECK(again->id == a->id);
  return *again;
}

} // namespace

TEST_CASE("a retry serves successes again and runs a definite failure under a new key", "[retry]") {
  for (auto cls : {effect_class::read, effect_class::idempotent, effect_class::at_most_once}) {
    kit::world w;
    kit::stage stage{w, failing_at_first(cls, certainty::definite)};
    auto a = retried(stage, "three_steps");

    CHECK(a.state == store::status::completed);
    CHECK(w.total("tool:look") == 1);
    CHECK(w.calls["tool:aut"]
          == std::vector<std::string>{a.id + "/0/0/-/1", a.id + "/1/0/-/1"});
    CHECK(w.total("tool:aut") == 1);
    CHECK(w.total("tool:post") == 1);
  }
}

TEST_CASE("a retry after an unknown outcome keeps the key", "[retry]") {
  kit::world w;
  kit::stage stage{w, failing_at_first(effect_class::idempotent, certainty::unknown)};
  auto a = retried(stage, "three_steps");

  CHECK(a.state == store::status::completed);
  CHECK(w.calls["tool:aut"] == std::vector<std::string>(2, a.id + "/0/0/-/1"));
}

TEST_CASE("a retry of an aborted at_most_once call asks again before it does anything",
          "[retry]") {
  kit::world w;
  kit::stage stage{w, failing_at_first(effect_class::at_most_once, certainty::unknown)};
  auto a = stage.invoke("three_steps", one_order, "k");
  REQUIRE(reaches(stage, "1", store::status::parked));
  REQUIRE(resolve_it(stage, a->id, journal::verdict::abort));
  stage.run_until([&] { return a->ended; });
  REQUIRE(command(stage, retry_request{a->id}));
  REQUIRE(reaches(stage, a->id, store::status::parked));
  CHECK(w.calls["tool:aut"].size() == 1);

  REQUIRE(resolve_it(stage, a->id, journal::verdict::not_done));
  REQUIRE(reaches(stage, a->id, store::status::completed));
  CHECK(w.calls["tool:aut"] == std::vector<std::string>(2, a->id + "/0/0/-/1"));
}

TEST_CASE("branches that failed side by side all run anew", "[retry]") {
  play("both_fail", [](order in) -> task<receipt> {
    auto first = co_await tool("look").call<std::string>();
    auto all = co_await when_all(tool("aut").arg("n", 1).call<std::string>(),
                                 tool("charge").call<std::string>(),
                                 tool("aut").arg("n", 2).call<std::string>());
    if (!std::get<0>(all) || !std::get<2>(all))
      co_return errc::failed;
    receipt out;
    out.id = in.id;
    out.steps = first && std::get<1>(all);
    co_return out;
  });
  auto o = failing_at_first(effect_class::idempotent, certainty::definite);
  o.agents.push_back(named("both_fail"));
  fails_second(o);
  kit::world w;
  kit::stage stage{w, o};
  auto a = retried(stage, "both_fail");

  CHECK(a.state == store::status::completed);
  CHECK(receipt_of(a).steps == 1);
  CHECK(w.total("tool:aut") == 2);
  CHECK(w.total("tool:charge") == 1);
  CHECK(w.total("tool:look") == 1);
}

TEST_CASE("a failure that the agent had handled stands", "[retry]") {
  play("falls_back", [](order in) -> task<receipt> {
    auto first = co_await tool("aut").call<std::string>();
    auto paid = co_await tool("charge").arg("fallback", !first).call<std::string>();
    auto last = co_await tool("flaky").call<std::string>();
    if (!last)
      co_return std::move(last).error();
    receipt out;
    out.id = in.id;
    out.steps = paid ? 1 : 0;
    co_return out;
  });
  auto o = failing_at_first(effect_class::at_most_once, certainty::definite);
  o.agents.push_back(named("falls_back"));
  o.services.push_back(service("tool:flaky", effect_class::read));
  on_call(o, "tool:flaky", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 0)
      a.value = error{errc::unavailable, "down"};
  });
  kit::world w;
  kit::stage stage{w, o};
  auto a = retried(stage, "falls_back");

  CHECK(a.state == store::status::completed);
  CHECK(w.calls["tool:aut"].size() == 1); // else the fallback would come on top of it
  CHECK(w.total("tool:charge") == 1);
}

TEST_CASE("a retried invocation is not sent twice by a crash at any boundary", "[retry][sweep]") {
  for (auto cls : {effect_class::idempotent, effect_class::at_most_once}) {
    auto o = failing_at_first(cls, certainty::definite, true);
    auto report = kit::for_each_crash_point(
      [&](kit::world& w) {
        bool done = false;
        bool asked = false;
        for (std::uint64_t life = 0; life < 20 && !done; ++life) {
          auto mine = o;
          mine.seed += life;
          // The far side fails until somebody has asked for a retry.
          find_service(mine, "tool:aut").answer = [&](const call_request&, std::uint32_t) {
            kit::scripted_answer a;
            a.effect = asked;
            a.value = asked ? result<std::string>{R"("done")"}
                            : result<std::string>{error{errc::failed, "not today"}};
            return a;
          };
          kit::stage stage{w, mine};
          auto a = stage.invoke("three_steps", one_order, "k");
          stage.run_until([&] { return a->ended || a->refused; });
          if (w.crashed || !a->ended)
            continue;
          if (a->state == store::status::failed) {
            asked = true;
            (void)command(stage, retry_request{a->id});
            a = stage.invoke("three_steps", one_order, "k");
            stage.run_until([&] { return a->ended || a->refused; });
          }
          done = !w.crashed && a->ended && a->state == store::status::completed;
        }
        REQUIRE(done);
        CHECK(w.total("tool:look") <= 3);
        CHECK(w.effects["tool:aut"].size() == 1);
        if (cls == effect_class::at_most_once)
          CHECK(w.total("tool:aut") == 1);
        CHECK(w.most("tool:post") == 1);
      },
      true);
    WARN("retry: " << report.crash_points << " crash points, " << report.runs << " runs");
  }
}

TEST_CASE("only what has failed or stopped is retried", "[retry]") {
  play("waits", [](order) -> task<receipt> {
    (void)co_await signal<raw_json>("go");
    co_return receipt{};
  });
  kit::world w;
  auto o = cast_of({"waits"});
  kit::stage stage{w, o};
  auto a = stage.invoke("waits", one_order);
  stage.run(5min);
  CHECK(command(stage, retry_request{a->id}).error().code == errc::conflict);
  REQUIRE(signal_it(stage, a->id, "go"));
  stage.run_until([&] { return a->ended; });
  CHECK(command(stage, retry_request{a->id}).error().code == errc::conflict);
  CHECK(command(stage, retry_request{"nobody-9"}).error().code == errc::not_found);
}

TEST_CASE("a child that a person has retried is not its ended parent's to cancel", "[retry]") {
  play("asks", [](order in) -> task<receipt> {
    auto got = co_await invoke<receipt>("asked", in);
    receipt out;
    out.steps = got ? 1 : 2;
    co_return out;
  });
  play("asked", [](order) -> task<receipt> {
    auto done = co_await tool("aut").call<std::string>();
    if (!done)
      co_return std::move(done).error();
    auto slept = co_await sleep(10min);
    if (!slept)
      co_return std::move(slept).error();
    co_return receipt{};
  });
  auto o = failing_at_first(effect_class::idempotent, certainty::definite);
  o.agents.push_back(named("asks"));
  o.agents.push_back(named("asked"));
  kit::world w;
  std::string child;
  {
    kit::stage first{w, o};
    auto a = first.invoke("asks", one_order);
    first.run_until([&] { return a->ended; });
    REQUIRE(receipt_of(*a).steps == 2);
    child = store::invocation_id(a->id.substr(0, a->id.find('-')), 2);
    REQUIRE(command(first, retry_request{child}));
    first.run_until([&] { return w.total("tool:aut") == 1; });
    first.run(1min); // it sleeps
  }
  kit::stage second{w, o};

  CHECK(reaches(second, child, store::status::completed));
}

TEST_CASE("two retries at once begin one run", "[retry]") {
  kit::world w;
  kit::stage stage{w, failing_at_first(effect_class::read, certainty::definite)};
  auto a = stage.invoke("three_steps", one_order, "k");
  stage.run_until([&] { return a->ended; });
  auto one = stage.ask<command_reply>(retry_request{a->id});
  auto two = stage.ask<command_reply>(retry_request{a->id});
  stage.run_until([&] { return one->has_value() && two->has_value(); });
  REQUIRE(reaches(stage, a->id, store::status::completed));

  CHECK(bool((*one)->done) != bool((*two)->done));
  CHECK(entries_of<journal::run_began>(stage, a->id).size() == 1);
}

TEST_CASE("a cancelled invocation is retried from where the cancellation reached it", "[retry]") {
  play("sleeps", [](order in) -> task<receipt> {
    auto a = co_await tool("charge").call<std::string>();
    if (!a)
      co_return std::move(a).error();
    auto slept = co_await sleep(10min);
    if (!slept)
      co_return std::move(slept).error();
    receipt out;
    out.id = in.id;
    out.steps = 1;
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"sleeps"})};
  auto a = stage.invoke("sleeps", one_order, "k");
  stage.run(1min);
  REQUIRE(command(stage, cancel_request{a->id}));
  stage.run_until([&] { return a->ended; });
  REQUIRE(a->state == store::status::cancelled);
  REQUIRE(command(stage, retry_request{a->id}));
  REQUIRE(reaches(stage, a->id, store::status::completed));
  CHECK(w.total("tool:charge") == 1);
}

TEST_CASE("what succeeded beside a failure is not asked again in any schedule", "[retry]") {
  play("both_fail_anyhow", [](order) -> task<receipt> {
    auto all = co_await when_all(tool("aut").arg("n", 1).call<std::string>(),
                                 tool("fire").call<std::string>(),
                                 tool("aut").arg("n", 2).call<std::string>());
    if (!std::get<0>(all) || !std::get<2>(all))
      co_return errc::failed;
    receipt out;
    out.steps = std::get<1>(all) ? 1 : 0;
    co_return out;
  });
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    auto o = failing_at_first(effect_class::idempotent, certainty::definite);
    o.seed = seed;
    o.agents.push_back(named("both_fail_anyhow"));
    fails_second(o);
    kit::world w;
    kit::stage stage{w, o};
    auto a = retried(stage, "both_fail_anyhow");

    CHECK(receipt_of(a).steps == 1);
    CHECK(w.total("tool:fire") == 1);
  }
}
