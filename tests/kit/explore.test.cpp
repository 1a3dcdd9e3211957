// Explorations: what they find, what they say of it, and that a seed is a run.
#include "runtime/core/agent.hpp"
#include "tests/kit/explore.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct errand {
  std::string where;
  int times = 1;
};
BOOST_DESCRIBE_STRUCT(errand, (), (where, times))

class runs_errands final : public agent<errand, int> {
  task<int> run(errand in) override {
    for (int i = 0; i < in.times; ++i)
      (void)co_await tool(in.where).arg("n", i).call<std::string>();
    co_return in.times;
  }
};
TROUPE_AGENT(runs_errands)

kit::scripted_service answering_at_once(std::string name) {
  kit::scripted_service s;
  s.name = std::move(name);
  s.info.cls = effect_class::pure;
  s.answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.latency = 0ms;
    a.value = to_json("ok");
    return a;
  };
  return s;
}

kit::stage_options errands() {
  agent_options agent;
  agent.name = "runs_errands";
  kit::stage_options o;
  o.agents.push_back(agent);
  o.services.push_back(answering_at_once("tool:far"));
  o.services.push_back(answering_at_once("tool:near"));
  return o;
}

/// One that was asked first may still be overtaken by one that has three times as much to do, but
/// only if it is passed over again and again.
void must_not_be_overtaken(kit::world& w) {
  kit::stage aut{w, errands()};
  auto first = aut.invoke("runs_errands", R"({"where":"near","times":1})");
  auto second = aut.invoke("runs_errands", R"({"where":"far","times":3})");
  aut.run_until([&] { return first->ended || second->ended; });
  kit::require(first->ended, "the long errand was done first");
}

kit::exploration apart_from_the_environment(std::uint64_t seeds) {
  kit::exploration how;
  how.seeds = seeds;
  how.from_environment = false;
  return how;
}

} // namespace

TEST_CASE("an exploration finds an order that nobody would meet by hand") {
  auto how = apart_from_the_environment(1'000);

  auto random = how;
  random.only = kit::strategy::random;
  auto pct = how;
  pct.only = kit::strategy::pct;

  CHECK(kit::explore(random, must_not_be_overtaken).failed.has_value());
  CHECK(kit::explore(pct, must_not_be_overtaken).failed.has_value());
}

TEST_CASE("a failing seed is told with few choices, events and the command that runs it again") {
  auto report = kit::explore(apart_from_the_environment(1'000), must_not_be_overtaken);

  REQUIRE(report.failed.has_value());
  const auto& text = report.failed->report;
  INFO(text);
  CHECK(text.find("the long errand was done first") != text.npos);
  CHECK(text.find("--seed " + std::to_string(report.failed->seed)) != text.npos);
  CHECK(text.find("a failing seed is told with few choices\\\\, events") != text.npos);
  CHECK(text.find("-> tool:far") != text.npos);
  CHECK(text.find("invocation.ended") != text.npos);
  auto chosen = 0;
  for (auto at = text.find("\n* "); at != text.npos; at = text.find("\n* ", at + 1))
    ++chosen;
  CHECK(chosen > 0);
  CHECK(chosen <= 20);
}

TEST_CASE("a seed that failed fails again, alone") {
  auto report = kit::explore(apart_from_the_environment(1'000), must_not_be_overtaken);
  REQUIRE(report.failed.has_value());

  auto alone = apart_from_the_environment(1);
  alone.first = report.failed->seed;
  auto again = kit::explore(alone, must_not_be_overtaken);

  REQUIRE(again.failed.has_value());
  CHECK(again.failed->seed == report.failed->seed);
  CHECK(again.failed->how == report.failed->how);
}

TEST_CASE("assertions that do not throw fail a seed as well") {
  auto report = kit::explore(apart_from_the_environment(10), [](kit::world&) {
    kit::note_failed_assertion(); // as the listener does at a CHECK
  });

  REQUIRE(report.failed.has_value());
  CHECK(report.failed->seed == 0);
}

TEST_CASE("the number of seeds and a single one come from the environment") {
  kit::exploration how;
  how.seeds = 3;
  std::vector<std::uint64_t> seen;
  auto looks = [&](kit::world& w) { seen.push_back(w.order->options().seed); };

  setenv("TROUPE_SEEDS", "5", 1);
  kit::explore(how, looks);
  auto five = std::exchange(seen, {});
  setenv("TROUPE_SEED", "77", 1);
  kit::explore(how, looks);
  unsetenv("TROUPE_SEEDS");
  unsetenv("TROUPE_SEED");

  CHECK(five == std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5});
  CHECK(seen == std::vector<std::uint64_t>{0, 77});
}

TEST_CASE("the same seeds give the same traces, and other seeds others") {
  auto digest_of = [](std::uint64_t first) {
    auto how = apart_from_the_environment(20);
    how.first = first;
    return kit::explore(how, [](kit::world& w) {
             kit::stage aut{w, errands()};
             auto one = aut.invoke("runs_errands", R"({"where":"near","times":2})");
             auto two = aut.invoke("runs_errands", R"({"where":"far","times":2})");
             aut.run_until([&] { return one->ended && two->ended; });
           }).digest;
  };

  CHECK(digest_of(1) == digest_of(1));
  CHECK(digest_of(1) != digest_of(1'000));
}

TEST_CASE("a schedule repeats its choices") {
  const std::vector<std::uint64_t> four{11, 12, 13, 14};
  for (auto how : {kit::strategy::fifo, kit::strategy::random, kit::strategy::pct}) {
    kit::schedule_options o;
    o.seed = 4;
    o.how = how;
    o.steps_expected = 50;
    kit::schedule first{o};
    std::vector<std::size_t> taken;
    for (int i = 0; i < 100; ++i)
      taken.push_back(first.pick(four));

    kit::schedule again{o, first.choices()};
    std::vector<std::size_t> repeated;
    for (int i = 0; i < 100; ++i)
      repeated.push_back(again.pick(four));

    CHECK(taken == repeated);
    CHECK((how == kit::strategy::fifo) == first.choices().empty());
  }
}

TEST_CASE("priorities change only at change points") {
  const std::vector<std::uint64_t> four{11, 12, 13, 14};
  kit::schedule_options o;
  o.seed = 9;
  o.how = kit::strategy::pct;
  o.change_points = 3;
  o.steps_expected = 100;
  kit::schedule aut{o};

  std::size_t changes = 0;
  auto last = aut.pick(four);
  for (int i = 0; i < 200; ++i) {
    auto taken = aut.pick(four);
    changes += taken != last ? 1 : 0;
    last = taken;
  }

  CHECK(changes > 0);
  CHECK(changes <= 3);
}
