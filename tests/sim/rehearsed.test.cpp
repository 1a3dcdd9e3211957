// What rehearsals (planted.test.cpp) have found in the runtime, each by itself.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

std::string order_of(const std::string& key, int n) {
  return R"({"id":")" + key + R"(","amount":)" + std::to_string(n) + "}";
}

} // namespace

TEST_CASE("a refusal of what an earlier life has sent leaves its outcome unknown", "[rehearsed]") {
  play("charges_once", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("id", in.id).call<std::string>();
    receipt out;
    out.note = paid ? "ok" : paid.error().outcome == certainty::unknown ? "unknown" : "definite";
    co_return out;
  });
  auto o = cast_of({"charges_once"});
  on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.silent = true; });
  auto refusing = cast_of({"charges_once"});
  on_call(refusing, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) {
    a.effect = false;
    a.value = error{errc::unavailable, "come back later"};
  });
  kit::world w;
  {
    kit::stage stage{w, o};
    stage.invoke("charges_once", one_order, "k");
    stage.run_until([&] { return w.total("tool:charge") == 1; });
  }

  kit::stage stage{w, refusing};
  auto a = stage.invoke("charges_once", one_order, "k");
  stage.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).note == "unknown");
}

TEST_CASE("a signal to one that has not begun is there when it begins", "[rehearsed]") {
  play("asks", [](order in) -> task<receipt> {
    receipt out;
    out.id = in.id;
    out.note = (co_await signal<std::string>("go")).value_or("?");
    co_return out;
  });
  auto o = cast_of({"asks"});
  o.agents.front().concurrency = 1;
  o.agents.front().passivate_after = 0ms; // the first one keeps its place
  kit::world w;
  kit::stage stage{w, o};
  auto first = stage.invoke("asks", order_of("a", 1));
  auto second = stage.invoke("asks", order_of("b", 1));
  stage.run(1s);

  REQUIRE(signal_it(stage, second->id, "go", R"("early")"));
  REQUIRE(signal_it(stage, first->id, "go", R"("late")"));
  stage.run_until([&] { return first->ended && second->ended; }, 1min);

  REQUIRE(second->ended);
  CHECK(receipt_of(*second).note == "early");
}

TEST_CASE("what a command finds at its end stays ended, whenever the command comes",
          "[rehearsed]") {
  play("brief_one", [](order in) -> task<receipt> {
    (void)co_await tool("charge").arg("id", in.id).call<std::string>();
    co_return receipt{};
  });
  int refused = 0, taken = 0;
  for (int turns = 1; turns < 60; ++turns) {
    kit::world w;
    kit::stage stage{w, cast_of({"brief_one"})};
    auto a = stage.invoke("brief_one", one_order, "k");
    stage.run_until([&] { return a->accepted; });
    stage.run_until([n = turns]() mutable { return --n == 0; });
    auto told = signal_it(stage, a->id, "go");
    (told ? taken : refused) += 1;
    stage.run_until([&] { return a->ended; });
    INFO("after " << turns << " turns");
    CHECK(status_of(stage, a->id) == store::status::completed);
  }
  CHECK(refused > 0);
  CHECK(taken > 0);
}

TEST_CASE("a child that is abandoned while it is being accepted does not outlive that",
          "[rehearsed]") {
  play("hermit", [](order) -> task<receipt> {
    (void)co_await signal<std::string>("never");
    co_return receipt{};
  });
  play("leaves_child", [](order in) -> task<receipt> {
    co_return co_await invoke<receipt>("hermit", in);
  });
  auto o = cast_of({"leaves_child", "hermit"});
  std::uint64_t runs = 0;
  for (int turns = 1; turns < 20; ++turns)
    for (std::uint64_t boundary = 0; boundary < 12; ++boundary, ++runs) {
      kit::world w;
      w.crash_at = {boundary};
      bool cancelled = false, over = false;
      for (std::uint64_t life = 0; life < 10 && !over; ++life) {
        o.seed = 1 + life;
        kit::stage stage{w, o};
        auto a = stage.invoke("leaves_child", one_order, "k");
        stage.run_until([&] { return a->accepted || a->ended; });
        stage.run_until([n = turns]() mutable { return --n == 0; });
        if (!cancelled && !w.crashed && !a->ended)
          cancelled = command(stage, cancel_request{a->id}).has_value();
        stage.run_until([&] { return a->ended; }, 1min);
        stage.run(1min);
        if (w.crashed || !a->ended)
          continue;
        over = true;
        store::filter open;
        open.open_only = true;
        INFO("cancelled after " << turns << " turns, crash at " << boundary);
        CHECK(stage.log().store().list(open).value().empty());
      }
      CHECK(over);
    }
  CHECK(runs > 200);
}

TEST_CASE("with yields the one that has its key back keeps it over a restart", "[rehearsed]") {
  play_keyed("counts_yielding", [](order in, ledger& state) -> task<receipt> {
    (void)co_await signal<std::string>("go");
    auto seen = state.count;
    auto paid = co_await tool("charge").arg("n", in.amount).call<std::string>();
    state.count = seen + 1; // a lost update, if two ran at a time
    receipt out;
    out.steps = paid ? state.count : 0;
    co_return out;
  });
  auto o = cast_of({});
  o.agents.push_back(keyed("counts_yielding", true));
  on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 5s; });
  kit::world w;
  std::string first, second;
  {
    kit::stage stage{w, o};
    auto a = stage.invoke("counts_yielding", order_of("T-1", 1), "a");
    auto b = stage.invoke("counts_yielding", order_of("T-1", 2), "b");
    stage.run(10s);
    first = a->id;
    second = b->id;
    REQUIRE(signal_it(stage, first, "go", R"("1")"));
    stage.run_until([&] { return w.total("tool:charge") == 1; });
    REQUIRE(signal_it(stage, second, "go", R"("2")"));
    stage.run(100ms);
  }

  kit::stage stage{w, o};
  auto a = stage.invoke("counts_yielding", order_of("T-1", 1), "a");
  auto b = stage.invoke("counts_yielding", order_of("T-1", 2), "b");
  stage.run_until([&] { return a->ended && b->ended; });

  CHECK(receipt_of(*a).steps + receipt_of(*b).steps == 3);
}
