// Cancellation and deadlines: delivered in order, down to the calls in flight.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

kit::stage_options slow_charge(std::vector<std::string> agents) {
  auto o = cast_of(std::move(agents));
  on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 20s; });
  return o;
}

task<receipt> waits_everywhere(order in) {
  auto all = co_await when_all(tool("charge").call<std::string>(), sleep(1h),
                               signal<std::string>("never"));
  receipt out;
  out.id = in.id;
  out.note = std::string{to_string(std::get<0>(all).error().code)} + " "
             + std::string{to_string(std::get<1>(all).error().code)} + " "
             + std::string{to_string(std::get<2>(all).error().code)};
  auto cleaned = co_await tool("post").arg("undo", out.note).call<std::string>();
  if (!cleaned)
    co_return std::move(cleaned).error();
  co_return out;
}

} // namespace

TEST_CASE("a cancellation fails what is pending in the order of addresses, and may be cleaned up "
          "after",
          "[cancel]") {
  play("waits_everywhere", waits_everywhere);
  kit::world w;
  kit::stage stage{w, slow_charge({"waits_everywhere"})};
  auto a = stage.invoke("waits_everywhere", one_order);
  stage.run(5s);
  REQUIRE(command(stage, cancel_request{a->id}));
  stage.run_until([&] { return a->ended; });

  REQUIRE(a->state == store::status::cancelled);
  CHECK(a->value.error().code == errc::cancelled);
  CHECK(w.bodies["tool:post"].begin()->second == R"({"undo":"cancelled cancelled cancelled"})");
  auto key = a->id + "/0/0/0.0/0";
  CHECK(w.cancelled["tool:charge"] == std::vector<std::string>{key});
  CHECK(notes_of(stage, a->id, "may_have_happened") == std::vector<std::string>{to_json(key)});
  std::vector<std::string> order;
  for (auto& c : entries_of<journal::completion>(stage, a->id))
    order.push_back(to_string(c.at));
  CHECK(order == std::vector<std::string>{"0.0/0", "0.1/0", "0.2/0", "-/1"});
}

TEST_CASE("a cancellation survives a crash at every boundary", "[cancel][sweep]") {
  play("waits_everywhere", waits_everywhere);
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      bool told = false, done = false;
      kit::answer last;
      for (std::uint64_t life = 0; life < 20 && !done; ++life) {
        auto o = slow_charge({"waits_everywhere"});
        o.seed += life;
        o.invocations.cancel_grace = 5min; // settling the post may take its time
        kit::stage stage{w, o};
        auto a = stage.invoke("waits_everywhere", one_order, "k");
        stage.run(5s);
        if (!w.crashed && !told && a->accepted && !a->ended)
          told = command(stage, cancel_request{a->id}).has_value();
        stage.run_until([&] { return a->ended; }, 10min);
        done = !w.crashed && a->ended;
        last = *a;
      }
      REQUIRE(done);
      CHECK(last.value.error().code == errc::cancelled);
      REQUIRE(w.total("tool:post") == 1);
      CHECK(w.bodies["tool:post"].begin()->second == R"({"undo":"cancelled cancelled cancelled"})");
    },
    true);
  WARN("cancel: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("a passivated invocation is woken to be cancelled", "[cancel]") {
  play("sleeps_long", [](order) -> task<receipt> {
    auto slept = co_await sleep(10h);
    if (!slept)
      co_return std::move(slept).error();
    co_return receipt{};
  });
  kit::world w;
  kit::stage stage{w, cast_of({"sleeps_long"})};
  auto a = stage.invoke("sleeps_long", one_order);
  stage.run(1min);
  REQUIRE(command(stage, cancel_request{a->id}));
  stage.run_until([&] { return a->ended; }, 1min);
  CHECK(a->state == store::status::cancelled);
  CHECK(command(stage, cancel_request{a->id}).error().code == errc::not_found);
}

TEST_CASE("one that does not end after its cancellation is ended after the grace", "[cancel]") {
  play("stubborn", [](order) -> task<receipt> {
    for (;;)
      (void)co_await sleep(1h);
  });
  for (auto restart : {false, true}) {
    kit::world w;
    auto stage = std::make_unique<kit::stage>(w, cast_of({"stubborn"}));
    auto a = stage->invoke("stubborn", one_order, "k");
    stage->run(1min);
    auto begun = stage->now();
    REQUIRE(command(*stage, cancel_request{a->id}));
    if (restart) {
      stage->run(10s);
      stage.reset();
      stage = std::make_unique<kit::stage>(w, cast_of({"stubborn"}));
      a = stage->invoke("stubborn", one_order, "k");
    }
    stage->run_until([&] { return a->ended; }, 10min);
    CHECK(a->ended);
    CHECK(a->value.error().code == errc::cancelled);
    CHECK(stage->now() - begun >= 30s);
    CHECK(stage->now() - begun < 61s);
  }
}

TEST_CASE("a deadline ends an invocation with deadline_exceeded, wherever it waits", "[cancel]") {
  play("sleeps_long", [](order) -> task<receipt> {
    auto slept = co_await sleep(10h);
    if (!slept)
      co_return std::move(slept).error();
    co_return receipt{};
  });
  for (auto restart : {false, true}) {
    kit::world w;
    auto o = cast_of({"sleeps_long"});
    o.agents.front().deadline = 1min;
    auto stage = std::make_unique<kit::stage>(w, o);
    auto a = stage->invoke("sleeps_long", one_order, "k");
    stage->run(10s);
    if (restart) {
      stage.reset();
      stage = std::make_unique<kit::stage>(w, o);
      a = stage->invoke("sleeps_long", one_order, "k");
    }
    stage->run_until([&] { return a->ended; }, 10min);
    CHECK(a->state == store::status::cancelled);
    CHECK(a->value.error().code == errc::deadline_exceeded);
  }
}

TEST_CASE("one that still queues when its deadline passes ends without having begun", "[cancel]") {
  play("sleeps_long", [](order) -> task<receipt> {
    (void)co_await sleep(2s);
    co_return receipt{};
  });
  kit::world w;
  auto o = cast_of({"sleeps_long"});
  o.agents.front().deadline = 1s;
  o.agents.front().concurrency = 1;
  o.agents.front().passivate_after = 0ms;
  kit::stage stage{w, o};
  auto a = stage.invoke("sleeps_long", one_order);
  auto b = stage.invoke("sleeps_long", one_order);
  stage.run_until([&] { return a->ended && b->ended; }, 1min);
  CHECK(b->value.error().code == errc::deadline_exceeded);
  CHECK(entries_of<journal::command>(stage, b->id).empty());
}

namespace {

task<receipt> patient(order) {
  auto slept = co_await sleep(10h);
  if (!slept)
    co_return std::move(slept).error();
  (void)co_await tool("charge").call<std::string>();
  co_return receipt{};
}

} // namespace

TEST_CASE("children are cancelled with their parent", "[cancel]") {
  play("patient", patient);
  play("parent_of", [](order in) -> task<receipt> {
    auto child = co_await invoke<receipt>("patient", in);
    if (!child)
      co_return std::move(child).error();
    co_return receipt{};
  });
  kit::world w;
  kit::stage stage{w, cast_of({"patient", "parent_of"})};
  auto a = stage.invoke("parent_of", one_order);
  stage.run(1min);
  REQUIRE(command(stage, cancel_request{a->id}));
  stage.run_until([&] { return a->ended; }, 1min);
  CHECK(a->state == store::status::cancelled);
  REQUIRE(reaches(stage, "2", store::status::cancelled, 1min));
}

TEST_CASE("a child that loses a race is cancelled, over a crash at every boundary",
          "[cancel][sweep]") {
  play("patient", patient);
  play("impatient", [](order in) -> task<receipt> {
    auto child = co_await with_timeout(3s, invoke<receipt>("patient", in));
    auto done = co_await tool("post").call<std::string>();
    receipt out;
    out.note = child ? "?" : to_string(child.error().code);
    out.steps = done ? 1 : 0;
    co_return out;
  });
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive(w, cast_of({"patient", "impatient"}), "impatient", one_order);
      CHECK(receipt_of(a).note == "timed_out");
      w.calm(); // the parent may end before its child
      kit::stage stage{w, cast_of({"patient", "impatient"})};
      CHECK(reaches(stage, "2", store::status::cancelled, 1min));
      CHECK(w.total("tool:charge") == 0);
      CHECK(w.most("tool:post") == 1);
    },
    true);
  WARN("lost child: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("a child whose own deadline passes while it queues fails its parent's call", "[cancel]") {
  play("patient", patient);
  play("parent_of", [](order in) -> task<receipt> {
    auto child = co_await invoke<receipt>("patient", in);
    receipt out;
    out.note = child ? "?" : to_string(child.error().code);
    co_return out;
  });
  kit::world w;
  auto o = cast_of({"patient", "parent_of"});
  o.agents.front().concurrency = 1;
  o.agents.front().deadline = 10s;
  o.agents.front().passivate_after = 0ms;
  kit::stage stage{w, o};
  auto first = stage.invoke("patient", one_order);
  stage.run_until([&] { return first->accepted; });
  auto a = stage.invoke("parent_of", one_order);
  stage.run_until([&] { return a->ended; }, 1min);
  CHECK(receipt_of(*a).note == "deadline_exceeded");
}

TEST_CASE("a stopped invocation is ended by a cancellation", "[cancel]") {
  play("dies", [](order) -> task<receipt> { throw std::runtime_error{"a bug"}; });
  kit::world w;
  kit::stage stage{w, cast_of({"dies"})};
  auto a = stage.invoke("dies", one_order);
  REQUIRE(reaches(stage, "1", store::status::quarantined));
  REQUIRE(command(stage, cancel_request{a->id}));
  stage.run_until([&] { return a->ended; }, 1min);
  CHECK(a->state == store::status::cancelled);
}

TEST_CASE("a cancellation that races the end does no harm", "[cancel]") {
  play("quick", [](order in) -> task<receipt> {
    auto done = co_await tool("charge").call<std::string>();
    receipt out;
    out.id = in.id;
    out.steps = done ? 1 : 0;
    co_return out;
  });
  std::set<store::status> ends;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    kit::world w;
    kit::stage stage{w, cast_of({"quick"}, seed)};
    auto a = stage.invoke("quick", one_order);
    stage.run_until([&] { return a->accepted; });
    auto reply = stage.ask<command_reply>(cancel_request{a->id});
    INFO("seed " << seed);
    stage.run_until([&] { return a->ended && reply->has_value(); }, 1min);
    REQUIRE(a->ended);
    REQUIRE(reply->has_value());
    CHECK(status_of(stage, a->id) == a->state);
    CHECK(w.total("tool:charge") <= 1);
    ends.insert(a->state);
  }
}
