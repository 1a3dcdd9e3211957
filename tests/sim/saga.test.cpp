// Transactions over several services: together, or undone.
#include "runtime/core/combine.hpp"
#include "runtime/core/saga.hpp"
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

struct quote {
  int price = 0;
};
BOOST_DESCRIBE_STRUCT(quote, (), (price))

// Reserve, pay, ship; whatever fails, what was done before is undone.
task<receipt> buy(order in) {
  saga deal;
  auto reserved = co_await deal.step(
    tool("reserve").arg("id", in.id).call<std::string>(), tool("release").arg("id", in.id));
  if (!reserved)
    co_return co_await deal.fail<receipt>(reserved.error());
  auto paid = co_await deal.step(tool("charge").arg("sum", in.amount).call<std::string>(),
                                 tool("refund").arg("sum", in.amount));
  if (!paid)
    co_return co_await deal.fail<receipt>(paid.error());
  auto sent = co_await deal.step(tool("ship").arg("id", in.id).call<std::string>(),
                                 tool("recall").arg("id", in.id));
  if (!sent)
    co_return co_await deal.fail<receipt>(sent.error());
  receipt r;
  r.id = in.id;
  r.note = *sent;
  co_return r;
}

kit::stage_options shop(std::uint64_t seed = 1) {
  play("buy", buy);
  auto o = cast_of({"buy"}, seed);
  for (auto name : {"tool:reserve", "tool:release", "tool:refund", "tool:ship", "tool:recall"})
    o.services.push_back(service(name, effect_class::idempotent));
  return o;
}

void declines(kit::stage_options& o, const std::string& name, std::uint32_t times = 1'000,
              errc code = errc::failed) {
  on_call(o, name, [times, code](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth >= times)
      return;
    a.effect = false;
    a.value = error{code, "refused"};
  });
}

std::vector<std::string> order_of_calls(kit::world& w) {
  std::vector<std::string> all;
  for (auto name : {"reserve", "release", "charge", "refund", "ship", "recall"})
    if (auto n = w.calls["tool:" + std::string{name}].size(); n > 0)
      all.push_back(std::string{name} + " " + std::to_string(n));
  return all;
}

} // namespace

TEST_CASE("a saga that succeeds undoes nothing") {
  kit::world world;
  kit::stage aut{world, shop()};

  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).note == "did tool:ship");
  CHECK(order_of_calls(world) == std::vector<std::string>{"reserve 1", "charge 1", "ship 1"});
}

TEST_CASE("a failed step undoes those before it in reverse under keys of their own") {
  kit::world world;
  auto cast = shop();
  declines(cast, "tool:ship");
  kit::stage aut{world, cast};

  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->state == store::status::failed);
  CHECK(a->value.error().message == "refused");
  CHECK(world.calls["tool:recall"].empty());
  CHECK(world.calls["tool:refund"] == std::vector<std::string>{a->id + "/0/0/-/1/undo"});
  CHECK(world.calls["tool:release"] == std::vector<std::string>{a->id + "/0/0/-/0/undo"});
  auto undone = entries_of<journal::compensated>(aut, a->id);
  REQUIRE(undone.size() == 2);
  CHECK(undone[0].step == journal::address{"", 1});
  CHECK(undone[1].step == journal::address{"", 0});
}

TEST_CASE("a step that may have happened is undone too and a service that knows nothing is right") {
  kit::world world;
  auto cast = shop();
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) {
    a.value = error{errc::timed_out, "no answer", certainty::unknown};
  });
  declines(cast, "tool:refund", 1'000, errc::not_found);
  kit::stage aut{world, cast};

  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->state == store::status::failed);
  CHECK(world.calls["tool:refund"].size() == 1);
  CHECK(world.calls["tool:release"].size() == 1);
}

TEST_CASE("a compensation is repeated under one key until it succeeds") {
  kit::world world;
  auto cast = shop();
  declines(cast, "tool:ship");
  declines(cast, "tool:refund", 3);
  kit::stage aut{world, cast};

  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return a->ended; });

  const auto& keys = world.calls["tool:refund"];
  REQUIRE(keys.size() == 4);
  CHECK(std::set<std::string>(keys.begin(), keys.end()).size() == 1);
  CHECK(world.total("tool:refund") == 1);
}

TEST_CASE("what cannot be undone parks with an account and a person settles it") {
  kit::world world;
  auto cast = shop();
  declines(cast, "tool:ship");
  declines(cast, "tool:release");
  kit::stage aut{world, cast};
  auto a = aut.invoke("buy", one_order);
  REQUIRE(reaches(aut, a->id, store::status::parked));

  auto parked = entries_of<journal::parked>(aut, a->id);
  REQUIRE(parked.size() == 1);
  CHECK_THAT(parked[0].why, Contains("could not be undone: failed: refused")
                              && Contains("stands: reserve at -/0")
                              && Contains("undone: charge at -/1"));
  CHECK(world.calls["tool:release"].size() == 6);

  REQUIRE(resolve_it(aut, a->id, journal::verdict::done));
  aut.run_until([&] { return a->ended; });
  CHECK(a->state == store::status::failed);
  CHECK(a->value.error().message == "refused");
}

TEST_CASE("a cancelled saga undoes what it has begun however long that takes") {
  kit::world world;
  auto cast = shop();
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 20s; });
  declines(cast, "tool:refund", 5);
  kit::stage aut{world, cast};
  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return world.calls["tool:charge"].size() == 1; });

  REQUIRE(command(aut, cancel_request{a->id}));
  aut.run_until([&] { return a->ended; });

  CHECK(a->state == store::status::cancelled);
  CHECK(world.calls["tool:refund"].size() == 6);
  CHECK(world.total("tool:release") == 1);
  CHECK(aut.now() - utc_time{} > 30s); // cancel_grace did not cut it short
}

TEST_CASE("a deadline that passes does not keep a saga from undoing") {
  kit::world world;
  auto cast = shop();
  cast.agents[0].deadline = 2s;
  on_call(cast, "tool:ship", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 10s; });
  kit::stage aut{world, cast};
  auto a = aut.invoke("buy", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->value.error().code == errc::deadline_exceeded);
  CHECK(world.total("tool:refund") == 1);
  CHECK(world.total("tool:recall") == 1); // it may have been shipped
}

TEST_CASE("a saga's step that lost a race is undone when the saga closes") {
  kit::world world;
  auto cast = shop();
  play("racer", [](order in) -> task<receipt> {
    saga deal;
    auto slow = deal.step(tool("charge").arg("sum", 1).call<std::string>(),
                          tool("refund").arg("sum", 1));
    auto fast = deal.step(tool("ship").arg("id", in.id).call<std::string>(), tool("recall"));
    auto first = co_await when_any(std::move(slow), std::move(fast));
    receipt r;
    r.steps = static_cast<int>(first.index);
    auto closed = co_await deal.close();
    if (!closed)
      co_return std::move(closed).error();
    co_return r;
  });
  cast.agents.push_back(named("racer"));
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 1s; });
  kit::stage aut{world, cast};

  auto a = aut.invoke("racer", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).steps == 1);
  CHECK(world.total("tool:refund") == 1);
  CHECK(world.total("tool:recall") == 0);
}

TEST_CASE("a retry after an undone saga does the undone steps again with new keys") {
  kit::world world;
  auto cast = shop();
  declines(cast, "tool:ship", 1);
  kit::stage aut{world, cast};
  auto a = aut.invoke("buy", one_order, "k");
  aut.run_until([&] { return a->ended; });
  REQUIRE(a->state == store::status::failed);

  REQUIRE(command(aut, retry_request{a->id}));
  auto again = aut.invoke("buy", one_order, "k");
  aut.run_until([&] { return again->ended; });

  CHECK(again->state == store::status::completed);
  CHECK(world.effects["tool:charge"].size() == 2); // charged, refunded, charged
  CHECK(world.effects["tool:refund"].size() == 1);
  CHECK(world.effects["tool:reserve"].size() == 2);
}

TEST_CASE("a retried saga that fails again undoes again") {
  kit::world world;
  auto cast = shop();
  declines(cast, "tool:ship");
  kit::stage aut{world, cast};
  auto a = aut.invoke("buy", one_order, "k");
  aut.run_until([&] { return a->ended; });

  REQUIRE(command(aut, retry_request{a->id}));
  auto again = aut.invoke("buy", one_order, "k");
  aut.run_until([&] { return again->ended; });

  CHECK(world.effects["tool:charge"].size() == 2);
  CHECK(world.effects["tool:refund"].size() == 2);
}

TEST_CASE("undoing an action frees its business key") {
  kit::world world;
  auto cast = shop();
  play("keyed_buy", [](order in) -> task<receipt> {
    saga deal;
    auto paid = co_await deal.step(
      tool("charge").arg("sum", in.amount).key("order-" + in.id).call<std::string>(),
      tool("refund").arg("sum", in.amount));
    auto sent = co_await tool("ship").arg("id", in.id).call<std::string>();
    if (!sent)
      co_return co_await deal.fail<receipt>(sent.error());
    receipt r;
    r.note = paid.value();
    co_return r;
  });
  cast.agents.push_back(named("keyed_buy"));
  declines(cast, "tool:ship", 1);
  kit::stage aut{world, cast};
  auto a = aut.invoke("keyed_buy", one_order);
  aut.run_until([&] { return a->ended; });
  CHECK(world.total("tool:refund") == 1);

  auto b = aut.invoke("keyed_buy", one_order);
  aut.run_until([&] { return b->ended; });

  CHECK(b->state == store::status::completed);
  CHECK(world.total("tool:charge") == 2);
}

TEST_CASE("a saga does not undo what another invocation has done under its business key") {
  kit::world world;
  auto cast = shop();
  play("pays", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("sum", in.amount).key("o").call<std::string>();
    co_return receipt{};
  });
  play("joins", [](order in) -> task<receipt> {
    saga deal;
    auto paid = co_await deal.step(
      tool("charge").arg("sum", in.amount).key("o").call<std::string>(), tool("refund"));
    auto why = error{errc::failed, "changed its mind"};
    co_return co_await deal.fail<receipt>(why);
  });
  cast.agents.push_back(named("pays"));
  cast.agents.push_back(named("joins"));
  kit::stage aut{world, cast};
  auto a = aut.invoke("pays", one_order);
  aut.run_until([&] { return a->ended; });

  auto b = aut.invoke("joins", one_order);
  aut.run_until([&] { return b->ended; });

  CHECK(b->state == store::status::failed);
  CHECK(world.total("tool:charge") == 1);
  CHECK(world.total("tool:refund") == 0);
}

TEST_CASE("a retried saga does not undo what was another's beside its failure") {
  play("pays", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("sum", in.amount).key("o").call<std::string>();
    co_return receipt{};
  });
  play("joins_beside", [](order in) -> task<receipt> {
    saga deal;
    auto all = co_await when_all(
      tool("ship").arg("id", in.id).call<std::string>(),
      deal.step(tool("charge").arg("sum", in.amount).key("o").call<std::string>(), tool("refund")));
    if (!std::get<0>(all))
      co_return co_await deal.fail<receipt>(std::get<0>(all).error());
    co_return receipt{};
  });
  kit::world world;
  auto cast = shop();
  cast.agents.push_back(named("pays"));
  cast.agents.push_back(named("joins_beside"));
  declines(cast, "tool:ship");
  on_call(cast, "tool:charge",
          [](kit::scripted_answer& a, std::uint32_t) { a.latency = 2s; }); // after ship's refusal
  kit::stage aut{world, cast};
  auto a = aut.invoke("pays", one_order);
  aut.run_until([&] { return !world.calls["tool:charge"].empty(); });
  auto b = aut.invoke("joins_beside", one_order);
  aut.run_until([&] { return b->ended; });

  REQUIRE(command(aut, retry_request{b->id}));
  aut.run_until([&] { return world.calls["tool:ship"].size() == 2; });
  REQUIRE(reaches(aut, b->id, store::status::failed));

  CHECK(world.total("tool:charge") == 1);
  CHECK(world.total("tool:refund") == 0);
}

TEST_CASE("a child agent can be what undoes a step") {
  kit::world world;
  auto cast = shop();
  play("saga_undoer", [](order in) -> task<receipt> {
    auto done = co_await tool("refund").arg("sum", in.amount).call<std::string>();
    if (!done)
      co_return std::move(done).error();
    co_return receipt{};
  });
  play("saga_parent", [](order in) -> task<receipt> {
    saga deal;
    auto paid = co_await deal.step(tool("charge").arg("sum", in.amount).call<std::string>(),
                                   compensation::by_agent("saga_undoer", in));
    auto why = error{errc::failed, "changed its mind"};
    co_return co_await deal.fail<receipt>(why);
  });
  cast.agents.push_back(named("saga_undoer"));
  cast.agents.push_back(named("saga_parent"));
  kit::stage aut{world, cast};

  auto a = aut.invoke("saga_parent", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->state == store::status::failed);
  CHECK(world.total("tool:refund") == 1);
}

// R22: of a transaction over several tools only the part that failed is retried, and what may have
// changed meanwhile is read again.
TEST_CASE("after a partial failure only the failed part is retried on a fresh look") {
  kit::world world;
  auto cast = shop();
  play("careful", [](order in) -> task<receipt> {
    saga deal;
    auto reserved = co_await deal.step(tool("reserve").arg("id", in.id).call<std::string>(),
                                       tool("release").arg("id", in.id));
    if (!reserved)
      co_return co_await deal.fail<receipt>(reserved.error());
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto now = co_await tool("look").arg("id", in.id).call<quote>(); // the price of today
      if (!now)
        co_return co_await deal.fail<receipt>(now.error());
      auto paid = co_await deal.step(tool("charge").arg("sum", now->price).call<std::string>(),
                                     tool("refund").arg("sum", now->price));
      if (paid) {
        receipt r;
        r.steps = now->price;
        co_return r;
      }
    }
    auto why = error{errc::failed, "three prices, none of them taken"};
    co_return co_await deal.fail<receipt>(why);
  });
  cast.agents.push_back(named("careful"));
  on_call(cast, "tool:look", [](kit::scripted_answer& a, std::uint32_t nth) {
    a.value = R"({"price":)" + std::to_string(10 + nth) + "}";
  });
  declines(cast, "tool:charge", 1);
  kit::stage aut{world, cast};

  auto a = aut.invoke("careful", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).steps == 11);
  CHECK(world.calls["tool:reserve"].size() == 1);
  CHECK(world.calls["tool:look"].size() == 2);
  CHECK(world.total("tool:release") == 0);
}

TEST_CASE("all or nothing stands wherever the machine dies in a saga", "[sweep]") {
  auto run = [](kit::world& w, bool fails) {
    for (bool alive = false; !alive;) {
      auto cast = shop();
      if (fails)
        declines(cast, "tool:ship");
      kit::stage stage{w, cast};
      auto a = stage.invoke("buy", one_order, "k");
      stage.run_until([&] { return a->ended; });
      alive = !w.crashed;
      if (alive)
        CHECK(a->state == (fails ? store::status::failed : store::status::completed));
    }
    CHECK(w.effects["tool:charge"].size() == 1);
    CHECK(w.effects["tool:refund"].size() == (fails ? 1 : 0));
    CHECK(w.effects["tool:release"].size() == (fails ? 1 : 0));
  };

  auto undone = kit::for_each_crash_point([&](kit::world& w) { run(w, true); }, true);
  auto done = kit::for_each_crash_point([&](kit::world& w) { run(w, false); });

  CHECK(undone.crash_points > 10);
  CHECK(done.crash_points > 5);
}

TEST_CASE("an at_most_once step and its compensation are each done once or settled in a saga",
          "[sweep]") {
  kit::for_each_crash_point([](kit::world& w) {
    for (bool alive = false; !alive;) {
      auto cast = shop();
      for (auto name : {"tool:charge", "tool:refund"}) {
        find_service(cast, name).info.cls = effect_class::at_most_once;
        find_service(cast, name).info.reconciles = true;
      }
      declines(cast, "tool:ship");
      kit::stage stage{w, cast};
      auto a = stage.invoke("buy", one_order, "k");
      stage.run_until([&] { return a->ended; });
      alive = !w.crashed;
    }
    CHECK(w.total("tool:charge") == 1);
    CHECK(w.total("tool:refund") == 1);
  });
}
