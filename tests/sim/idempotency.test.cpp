// Keys of incoming requests, trees of children, and the faults that they meet.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

task<receipt> pays(order in) {
  auto paid = co_await tool("charge").arg("sum", in.amount).call<std::string>();
  if (!paid)
    co_return std::move(paid).error();
  receipt r;
  r.id = in.id;
  r.note = *paid;
  co_return r;
}

kit::stage_options till() {
  play("pays", pays);
  return cast_of({"pays"});
}

} // namespace

TEST_CASE("fault 45, duplicate requests: a thousand repeats over three lives are one charge") {
  kit::world world;
  std::set<std::string> ids;
  for (std::uint64_t life = 1; life <= 3; ++life) {
    auto cast = till();
    cast.seed = life;
    kit::stage stage{world, cast};
    std::vector<std::shared_ptr<kit::answer>> all;
    for (int i = 0; i < 334; ++i)
      all.push_back(stage.invoke("pays", one_order, "same"));
    stage.run_until([&] {
      return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
    });
    for (const auto& a : all) {
      ids.insert(a->id);
      CHECK(a->state == store::status::completed);
    }
  }

  CHECK(ids.size() == 1);
  CHECK(world.total("tool:charge") == 1);
}

TEST_CASE("fault 43, a non-idempotent tool times out after its effect: it is found, not repeated") {
  kit::world world;
  auto cast = till();
  play("posts", [](order in) -> task<receipt> {
    auto done = co_await tool("post").arg("id", in.id).call<std::string>();
    receipt r;
    r.note = done.value_or("?");
    co_return r;
  });
  cast.agents.push_back(named("posts"));
  on_call(cast, "tool:post", [](kit::scripted_answer& a, std::uint32_t) {
    a.value = error{errc::timed_out, "no answer within 3 s", certainty::unknown};
  });
  find_service(cast, "tool:post").reconcile = [](const reconcile_request&) {
    return reconcile_reply{reconcile_state::done, "\"post 7\""};
  };
  kit::stage aut{world, cast};

  auto a = aut.invoke("posts", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(receipt_of(*a).note == "post 7");
  CHECK(world.calls["tool:post"].size() == 1);
}

TEST_CASE("an idempotency key is free again after its time, not before") {
  kit::world world;
  auto cast = till();
  cast.dispatcher.key_ttl = 1h;
  kit::stage aut{world, cast};
  auto first = aut.invoke("pays", one_order, "k");
  aut.run_until([&] { return first->ended; });
  aut.advance(59min);
  auto early = aut.invoke("pays", one_order, "k");
  aut.run_until([&] { return early->ended; });
  CHECK(early->id == first->id);

  aut.advance(2min);
  auto late = aut.invoke("pays", R"({"id":"T-2","amount":2})", "k");
  aut.run_until([&] { return late->ended; });

  CHECK(late->id != first->id);
  CHECK(late->state == store::status::completed);
  auto again = aut.invoke("pays", R"({"id":"T-2","amount":2})", "k");
  aut.run_until([&] { return again->ended; });
  CHECK(again->id == late->id);
}

TEST_CASE("a finished invocation whose key may be repeated outlives its retention") {
  kit::world world;
  auto cast = till();
  cast.retention = 1h;
  kit::stage aut{world, cast};
  auto keyed = aut.invoke("pays", one_order, "k");
  auto plain = aut.invoke("pays", one_order);
  aut.run_until([&] { return keyed->ended && plain->ended; });

  aut.advance(3h);

  CHECK(aut.record_of(keyed->id));
  CHECK_FALSE(aut.record_of(plain->id));
  aut.advance(24h);
  CHECK_FALSE(aut.record_of(keyed->id));
}

TEST_CASE("a strict repeat is refused while the first one runs and answered afterwards") {
  kit::world world;
  auto cast = till();
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 10s; });
  kit::stage aut{world, cast};
  auto first = aut.invoke("pays", one_order, "k");
  aut.run_until([&] { return first->accepted; });
  auto strict = [] {
    invoke_request r;
    r.agent = "pays";
    r.input = one_order;
    r.idempotency_key = "k";
    r.wait = r.strict = true;
    return r;
  };

  auto refused = ask<invocation_reply>(aut, strict());
  CHECK(refused.value.error().code == errc::conflict);
  CHECK(refused.value.error().retry_after);

  aut.run_until([&] { return first->ended; });
  auto answered = ask<invocation_reply>(aut, strict());
  CHECK(answered.attached);
  CHECK(answered.id == first->id);
}

TEST_CASE("a key holds over generations") {
  kit::world world;
  auto cast = till();
  play("rounds", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("sum", 5).key("INV-7").call<std::string>();
    if (!paid)
      co_return std::move(paid).error();
    if (in.amount < 3) {
      ++in.amount;
      co_return continue_as(in);
    }
    auto other = co_await tool("charge").arg("sum", 6).key("INV-7").call<std::string>();
    receipt r;
    r.note = other ? "paid twice" : std::string{to_string(other.error().code)};
    co_return r;
  });
  cast.agents.push_back(named("rounds"));
  kit::stage aut{world, cast};

  auto a = aut.invoke("rounds", one_order, "k");
  auto b = aut.invoke("rounds", one_order, "k");
  aut.run_until([&] { return a->ended && b->ended; });

  CHECK(a->id == b->id);
  CHECK(receipt_of(*a).note == "key_conflict");
  CHECK(world.total("tool:charge") == 1);
}

TEST_CASE("fault 49, an agent that invokes itself without end is stopped at a named depth") {
  kit::world world;
  auto cast = till();
  play("nests", [](order in) -> task<receipt> {
    auto inner = co_await invoke<receipt>("nests", in);
    if (!inner)
      co_return std::move(inner).error();
    co_return *inner;
  });
  cast.agents.push_back(named("nests"));
  kit::stage aut{world, cast};

  auto a = aut.invoke("nests", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->value.error().code == errc::invalid_input);
  CHECK_THAT(a->value.error().message, Contains("children_depth_max"));
  CHECK(aut.record_of("33"));
  CHECK_FALSE(aut.record_of("34"));
}

TEST_CASE("a chain of sends is bounded too, also over a restart") {
  kit::world world;
  auto cast = till();
  cast.dispatcher.children_depth_max = 5;
  play("relays", [](order in) -> task<receipt> {
    auto slept = co_await sleep(1s);
    auto next = co_await send("relays", in);
    receipt r;
    r.note = next ? "sent" : std::string{to_string(next.error().code)};
    co_return r;
  });
  cast.agents.push_back(named("relays"));
  {
    kit::stage first{world, cast};
    first.invoke("relays", one_order);
    first.advance(3500ms);
  }
  kit::stage aut{world, cast};
  aut.advance(1min);

  CHECK(aut.record_of("6"));
  CHECK_FALSE(aut.record_of("7"));
}

TEST_CASE("the argument that the topology names is the business key") {
  kit::world world;
  auto cast = till();
  find_service(cast, "tool:charge").info.key_pointer = "/sum";
  kit::stage aut{world, cast};
  auto a = aut.invoke("pays", one_order);
  auto b = aut.invoke("pays", R"({"id":"T-9","amount":1})");
  aut.run_until([&] { return a->ended && b->ended; });

  CHECK(a->state == store::status::completed);
  CHECK(b->state == store::status::completed);
  CHECK(world.calls["tool:charge"] == std::vector<std::string>{"1"});
}

TEST_CASE("a call without the argument that is its business key never leaves") {
  kit::world world;
  auto cast = till();
  find_service(cast, "tool:charge").info.key_pointer = "/order";
  kit::stage aut{world, cast};

  auto a = aut.invoke("pays", one_order);
  aut.run_until([&] { return a->ended; });

  CHECK(a->value.error().code == errc::invalid_input);
  CHECK_THAT(a->value.error().message, Contains("/order"));
  CHECK(world.calls["tool:charge"].empty());
}
