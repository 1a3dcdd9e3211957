// A first agent and its first tests; tests/README.md goes through them.
#include "runtime/core/agent.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct order {
  std::string id;
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, cents))

class checkout final : public agent<order, std::string> {
  task<std::string> run(order in) override {
    auto paid = co_await tool("payment").arg("order", in.id).arg("cents", in.cents)
                  .call<std::string>();
    if (!paid)
      co_return std::move(paid).error();
    auto waited = co_await sleep(10min); // the customer may change their mind
    if (!waited)
      co_return std::move(waited).error();
    co_return in.id + " is paid: " + *paid;
  }
};
TROUPE_AGENT(checkout)

kit::stage_options cast() {
  agent_options agent;
  agent.name = "checkout";
  kit::scripted_service payment;
  payment.name = "tool:payment";
  payment.info.cls = effect_class::idempotent;
  payment.answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.value = to_json("receipt 7");
    return a;
  };
  kit::stage_options o;
  o.agents.push_back(agent);
  o.services.push_back(payment);
  return o;
}

const std::string one_order = R"({"id":"A-1","cents":990})";

} // namespace

TEST_CASE("an order is answered with its receipt") {
  kit::world world;
  kit::stage aut{world, cast()};

  auto answer = aut.invoke("checkout", one_order);
  aut.run_until([&] { return answer->ended; });

  CHECK(answer->value.value() == to_json("A-1 is paid: receipt 7"));
  CHECK(world.total("tool:payment") == 1);
}

TEST_CASE("a declined payment is the answer") {
  auto declining = cast();
  declining.services[0].answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.effect = false;
    a.value = error{errc::failed, "card declined"};
    return a;
  };
  kit::world world;
  kit::stage aut{world, declining};

  auto answer = aut.invoke("checkout", one_order);
  aut.run_until([&] { return answer->ended; });

  CHECK(answer->state == store::status::failed);
  CHECK(answer->value.error().message == "card declined");
}

TEST_CASE("an order is paid under one key, wherever the machine dies") {
  auto report = kit::for_each_crash_point([](kit::world& world) {
    for (bool alive = false; !alive;) {
      kit::stage aut{world, cast()};
      auto answer = aut.invoke("checkout", one_order, "client-key");
      aut.run_until([&] { return answer->ended; });
      alive = !world.crashed; // else: the next life, on the same disk
      if (alive)
        CHECK(answer->value.value() == to_json("A-1 is paid: receipt 7"));
    }
    CHECK(world.effects["tool:payment"].size() == 1);
  });
  CHECK(report.crash_points > 5);
}
