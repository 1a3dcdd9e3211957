// Exceptions: replay after a backoff, quarantine at the third death at one address.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// How often the code below has thrown, over all lives.
int thrown = 0;
int throws_max = 0;

void may_throw() {
  if (thrown < throws_max) {
    ++thrown;
    throw std::runtime_error{"a bug"};
  }
}

task<receipt> buggy(order in) {
  auto a = co_await tool("charge").call<std::string>();
  may_throw();
  auto b = co_await tool("post").call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = a && b;
  co_return out;
}

void bug_of(int times) {
  thrown = 0;
  throws_max = times;
  play("buggy", buggy);
}

} // namespace

TEST_CASE("an exception kills the invocation, which replays after a backoff", "[deaths]") {
  bug_of(2);
  kit::world w;
  kit::stage stage{w, cast_of({"buggy"})};
  auto begun = stage.now();
  auto a = stage.invoke("buggy", one_order);
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).steps == 1);
  CHECK(stage.now() - begun >= 600ms);
  CHECK(w.total("tool:charge") == 1);
  auto deaths = entries_of<journal::died>(stage, a->id);
  REQUIRE(deaths.size() == 2);
  CHECK(deaths[0].what == "a bug");
  CHECK(to_string(deaths[0].at) == "-/0");
}

TEST_CASE("the third death at one address is the last, nobody else is affected", "[deaths]") {
  bug_of(100);
  play("fine", [](order in) -> task<receipt> {
    (void)co_await tool("charge").call<std::string>();
    receipt out;
    out.id = in.id;
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"buggy", "fine"})};
  auto a = stage.invoke("buggy", one_order);
  std::vector<std::shared_ptr<kit::answer>> others;
  for (int i = 0; i < 10; ++i)
    others.push_back(stage.invoke("fine", one_order));
  REQUIRE(reaches(stage, "1", store::status::quarantined));
  stage.run(1min);
  CHECK(thrown == 3);
  CHECK_FALSE(a->ended);
  for (auto& o : others)
    CHECK(o->state == store::status::completed);

  // With the bug gone, a retry goes on where it was.
  throws_max = 0;
  REQUIRE(command(stage, retry_request{a->id}));
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).steps == 1);
  CHECK(w.calls["tool:charge"].size() == 11);
}

TEST_CASE("deaths are counted over restarts, and a quarantined one stays where it is", "[deaths]") {
  bug_of(100);
  kit::world w;
  for (int life = 0; life < 3; ++life) {
    kit::stage stage{w, cast_of({"buggy"})};
    if (life == 0)
      stage.invoke("buggy", one_order, "k");
    stage.run_until([&] { return thrown > life; });
    stage.run(50ms); // less than the backoff
  }
  CHECK(thrown == 3);
  kit::stage stage{w, cast_of({"buggy"})};
  stage.run(10min);
  CHECK(thrown == 3);
  CHECK(status_of(stage, "1") == store::status::quarantined);
}

TEST_CASE("deaths at different addresses do not add up", "[deaths]") {
  play("wanders", [](order in) -> task<receipt> {
    for (int i = 0; i < 5; ++i) {
      (void)co_await tool("charge").arg("i", i).call<std::string>();
      if (thrown < 2 * (i + 1))
        may_throw();
    }
    receipt out;
    out.id = in.id;
    co_return out;
  });
  thrown = 0;
  throws_max = 10;
  kit::world w;
  kit::stage stage{w, cast_of({"wanders"})};
  auto a = stage.invoke("wanders", one_order);
  stage.run_until([&] { return a->ended; });
  CHECK(a->state == store::status::completed);
  CHECK(thrown == 10);
  CHECK(w.total("tool:charge") == 5);
}

TEST_CASE("whatever is thrown, wherever, is a death and no more", "[deaths]") {
  play("odd", [](order) -> task<receipt> { throw 42; });
  play("in_run", [](order) -> task<receipt> {
    (void)co_await run("odd", effect_class::pure, []() -> int { throw "text"; });
    co_return receipt{};
  });
  play("in_branch", [](order) -> task<receipt> {
    auto bad = []() -> task<int> {
      (void)co_await sleep(1ms);
      throw std::runtime_error{"in a branch"};
    };
    auto both = co_await when_all(bad(), tool("charge").call<std::string>());
    (void)both;
    co_return receipt{};
  });
  agent_class broken;
  broken.name = "broken";
  broken.make = []() -> std::unique_ptr<agent_base> { throw std::logic_error{"no agent"}; };
  broken.accepts = [](std::string_view) { return result<void>{}; };
  register_agent(broken);
  kit::world w;
  kit::stage stage{w, cast_of({"odd", "in_run", "in_branch", "broken"})};
  for (auto* name : {"odd", "in_run", "in_branch", "broken"})
    stage.invoke(name, one_order);
  for (auto* id : {"1", "2", "3", "4"})
    CHECK(reaches(stage, id, store::status::quarantined, 1min));
  CHECK(entries_of<journal::died>(stage, "2").front().what
        == "run \"odd\": an exception that is not a std::exception");
}

TEST_CASE("a death's row is durable before its successor reads the journal", "[deaths][sweep]") {
  play("buggy", buggy);
  auto report = kit::for_each_crash_point([](kit::world& w) {
    thrown = 0;
    throws_max = 2;
    auto a = drive(w, cast_of({"buggy"}), "buggy", one_order);
    REQUIRE(a.state == store::status::completed);
    CHECK(w.effects["tool:charge"].size() == 1);
    CHECK(w.total("tool:post") == 1);
  });
  WARN("deaths: " << report.runs << " runs");
}
