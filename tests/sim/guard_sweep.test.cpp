// All guards around every effect class, killed at every durable boundary, and under 1,000 seeds.
#include "tests/sim/agents.hpp"
#include "tests/sim/guarded.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <random>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

/// Calls through failing services until each has done its work once.
class persistent final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    receipt out;
    out.id = in.id;
    auto seen = co_await tool("look").arg("id", in.id).or_value("nothing").call<std::string>();
    out.note = seen ? *seen : std::string{"?"};
    for (;;) { // a key of its own: another call is the same action
      auto paid = co_await tool("charge").key(in.id + "-charge").arg("id", in.id)
                    .call<std::string>();
      if (paid)
        break;
      co_await sleep(3s);
    }
    ++out.steps;
    for (;;) {
      auto posted = co_await tool("post").arg("id", in.id).call();
      if (posted)
        break;
      if (posted.error().outcome == certainty::unknown)
        co_return std::move(posted).error();
      co_await sleep(3s);
    }
    ++out.steps;
    co_return out;
  }
};
TROUPE_AGENT(persistent)

/// Wants to know where its answers come from.
class degraded final : public agent<order, receipt> {
  task<receipt> run(order in) override {
    receipt out;
    out.id = in.id;
    auto fresh = co_await tool("look").arg("q", 1).or_cached(10min).call_degradable<std::string>();
    auto slept = co_await sleep(1min);
    auto stale = co_await tool("look").arg("q", 1).or_cached(10min).call_degradable<std::string>();
    auto other = co_await tool("look").arg("q", 2).or_value("none").call<std::string>();
    if (!fresh || !slept || !stale || !other)
      co_return errc::failed;
    out.note = fresh->from + ", " + stale->from + ": " + stale->value + ", " + *other;
    out.steps = static_cast<int>(stale->age_ms / 1'000);
    co_return out;
  }
};
TROUPE_AGENT(degraded)

kit::scripted_answer fails(bool happened) {
  kit::scripted_answer a;
  a.effect = happened;
  a.value = error{errc::unavailable, happened ? "connection cut" : "connection refused",
                  happened ? certainty::unknown : certainty::definite};
  return a;
}

/// The world in which nothing works at first: refused, cut after the effect, slow.
kit::stage_options hostile(std::uint64_t seed) {
  auto o = cast_of({"persistent"}, seed);
  on_call(o, "tool:look", [](kit::scripted_answer& a, std::uint32_t nth) {
    a.latency = nth == 0 ? 500ms : 1ms; // the second attempt overtakes it
  });
  on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth < 3)
      a = fails(false); // the breaker opens
    else if (nth == 3)
      a.silent = true; // done, and nobody is told: sent again with the same key
  });
  on_call(o, "tool:post", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 0)
      a = fails(false);
    else if (nth == 1)
      a = fails(true); // done: reconcile finds it
  });
  return o;
}

/// What each attempt of a service meets, by a number that depends on the seed alone.
kit::stage_options random_world(std::uint64_t seed) {
  auto o = cast_of({"persistent"}, seed);
  for (const auto* name : {"tool:look", "tool:charge", "tool:post"})
    on_call(o, name, [seed, salt = std::string{name}.size()](kit::scripted_answer& a,
                                                             std::uint32_t nth) {
      std::mt19937_64 dice{seed * 1'000 + nth * 10 + salt};
      switch (nth > 12 ? 9 : dice() % 10) {
        case 0:
        case 1:
          a = fails(false);
          break;
        case 2:
          a = fails(true);
          break;
        case 3:
          a.silent = true;
          break;
        case 4:
          a.latency = std::chrono::milliseconds{dice() % 2'000};
          break;
        default:
          break;
      }
    });
  return o;
}

} // namespace

TEST_CASE("guards sweep clean over crash points and effect classes", "[sweep]") {
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      guarded_tools::around(w, touchy(), 3);
      auto a = drive(w, hostile(5), "persistent", one_order);

      INFO((a.value ? *a.value : to_string(a.value.error())));
      REQUIRE(a.ended);
      REQUIRE(a.state == store::status::completed);
      CHECK(receipt_of(a).steps == 2);
      CHECK(w.effects["tool:charge"].size() == 1);
      CHECK(w.effects["tool:post"].size() == 1);
      CHECK(w.most("tool:post") == 1);
    },
    true);
  WARN("guards: " << report.crash_points << " crash points, " << report.runs << " runs");
  CHECK(report.crash_points > 10);
}

TEST_CASE("an agent says what takes the place of an answer, and sees what it got", "[sweep]") {
  auto check = [](kit::world& w, bool crashes) {
    guarded_tools::around(w, touchy(), 3);
    auto o = cast_of({"degraded"}, 5);
    on_call(o, "tool:look", [](kit::scripted_answer& a, std::uint32_t nth) {
      a.value = to_json("found");
      if (nth > 0)
        a = fails(false);
    });
    auto a = drive(w, o, "degraded", one_order);
    REQUIRE(a.ended);
    if (a.state == store::status::completed)
      CHECK(receipt_of(a).note.starts_with("service, "));
    // The cache goes with the process, what was recorded does not.
    if (!crashes) {
      REQUIRE(a.state == store::status::completed);
      CHECK(receipt_of(a).note == "service, cache: found, none");
      CHECK(receipt_of(a).steps >= 60);
    }
  };
  kit::world calm;
  check(calm, false);
  kit::for_each_crash_point([&](kit::world& w) { check(w, true); });
}

TEST_CASE("guards hold over a thousand seeds of faults", "[seeds]") {
  std::size_t opened = 0;
  std::size_t settled = 0;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto tools = std::make_shared<guarded_tools>(w, touchy(), seed);
    w.network = tools;

    auto a = drive(w, random_world(seed), "persistent", one_order);

    REQUIRE(a.ended);
    REQUIRE(w.effects["tool:charge"].size() <= 1);
    REQUIRE(w.effects["tool:post"].size() <= 1);
    REQUIRE(w.most("tool:post") <= 1);
    if (a.state == store::status::completed) {
      ++settled;
      REQUIRE(w.effects["tool:charge"].size() == 1);
      REQUIRE(w.effects["tool:post"].size() == 1);
    }
    opened += tools->count("breaker.changed") > 0 ? 1 : 0;
  }
  WARN(settled << " of 1000 completed, in " << opened << " a breaker changed");
  CHECK(settled > 950);
  CHECK(opened > 200);
}

TEST_CASE("fault 50, cancel races completion: what was done is known, over a thousand seeds",
          "[seeds]") {
  std::map<store::status, int> ends;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    guarded_tools::around(w, touchy(), seed);
    auto o = cast_of({"persistent"}, seed);
    on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 20ms; });
    kit::stage stage{w, o};
    auto a = stage.invoke("persistent", one_order, "k");
    stage.run_until([&] { return a->accepted; });

    stage.advance(std::chrono::milliseconds{seed % 40});
    if (!a->ended)
      static_cast<void>(command(stage, cancel_request{a->id}));
    stage.run_until([&] { return a->ended; });

    REQUIRE(a->ended);
    ++ends[a->state];
    auto charged = w.effects["tool:charge"].size();
    auto posted = w.effects["tool:post"].size();
    REQUIRE(charged <= 1);
    REQUIRE(w.most("tool:post") <= 1);
    if (a->state == store::status::completed)
      REQUIRE(charged + posted == 2);
    // What has happened is in the journal: as an answer, or as something that may have happened.
    auto told = notes_of(stage, a->id, "may_have_happened").size();
    std::size_t answered = 0;
    for (const auto& c : entries_of<journal::completion>(stage, a->id))
      answered += c.ok ? 1 : 0;
    REQUIRE(told + answered >= charged + posted);
  }
  CHECK(ends[store::status::cancelled] > 100);
  CHECK(ends[store::status::completed] > 50);
}
