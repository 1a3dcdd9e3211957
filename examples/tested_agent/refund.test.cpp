// The refund agent's tests, from the first one to a sweep; tests/README.md goes through them.
#include "refund.hpp"

#include "tests/kit/cassette.hpp"
#include "tests/kit/catch.hpp"
#include "tests/kit/explore.hpp"
#include "tests/kit/faulty_disk.hpp"
#include "tests/kit/faulty_network.hpp"
#include "tests/kit/recorded.hpp"
#include "tests/kit/stage.hpp"

#include <filesystem>

namespace kit = troupe::kit;
using troupe::call_request;
using troupe::effect_class;
using troupe::errc;

namespace {

// What a service answers, and what a repeat of it would do.
kit::scripted_service service(std::string name, effect_class cls, std::string json) {
  kit::scripted_service s;
  s.name = std::move(name);
  s.info.cls = cls;
  s.info.reconciles = cls == effect_class::at_most_once;
  s.answer = [json = std::move(json)](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.value = json;
    return a;
  };
  return s;
}

// Who is on stage: the agent, and the services that it calls.
kit::stage_options cast() {
  troupe::agent_options agent;
  agent.name = "refund";
  kit::stage_options o;
  o.agents.push_back(agent);
  o.services.push_back(
    service("tool:orders", effect_class::read, R"({"order":"A-1","cents":990})"));
  o.services.push_back(
    service("llm:fast", effect_class::read, R"({"grant":true,"note":"Sorry!"})"));
  o.services.push_back(service("tool:payment", effect_class::idempotent, R"("receipt 7")"));
  o.services.push_back(service("tool:mail", effect_class::at_most_once, "true"));
  return o;
}

const std::string broken_lamp = R"({"order":"A-1","reason":"It came broken."})";

std::filesystem::path data(const char* name) {
  return std::filesystem::path{TESTED_AGENT_DATA} / name;
}

} // namespace

TEST_CASE("a broken thing is refunded and the customer is told") {
  kit::world world;
  kit::stage aut{world, cast()};

  auto answer = aut.invoke("refund", broken_lamp);
  aut.run_until([&] { return answer->ended; });

  REQUIRE(answer->value);
  CHECK(*answer->value == R"({"order":"A-1","granted":true,"receipt":"receipt 7"})");
  CHECK(world.total("tool:payment") == 1);
  CHECK(world.total("tool:mail") == 1);
}

TEST_CASE("where the payment is refused nobody is told that money comes") {
  auto declining = cast();
  declining.services[2].answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.effect = false;
    a.value = troupe::error{errc::failed, "the account is closed"};
    return a;
  };
  kit::world world;
  kit::stage aut{world, declining};

  auto answer = aut.invoke("refund", broken_lamp);
  aut.run_until([&] { return answer->ended; });

  CHECK(answer->state == troupe::store::status::failed);
  CHECK(world.total("tool:mail") == 0);
}

TEST_CASE("a refund is paid once and told once, wherever the machine dies") {
  auto report = kit::for_each_crash_point([](kit::world& world) {
    for (bool alive = false; !alive;) {
      kit::stage aut{world, cast()};
      auto answer = aut.invoke("refund", broken_lamp, "client-key");
      aut.run_until([&] { return answer->ended; });
      alive = !world.crashed; // else: the next life, on the same disk
      if (alive)
        CHECK(answer->value.value() == R"({"order":"A-1","granted":true,"receipt":"receipt 7"})");
    }
    CHECK(world.effects["tool:payment"].size() == 1); // one key, however often it was called
    CHECK(world.most("tool:mail") <= 1);
  });
  CHECK(report.crash_points > 10);
}

TEST_CASE("a customer who clicks twice is refunded once, whoever goes first") {
  kit::for_each_seed(100, [](kit::world& world) {
    kit::stage aut{world, cast()};
    auto first = aut.invoke("refund", broken_lamp);
    auto again = aut.invoke("refund", broken_lamp);
    aut.run_until([&] { return first->ended && again->ended; });
    kit::require(first->value && again->value, "a refund did not end well");
    kit::require(world.effects["tool:payment"].size() == 1, "it was paid under two keys");
  });
}

TEST_CASE("over a bad network and a disk that loses power nothing is paid or told twice") {
  kit::for_each_seed(50, [](kit::world& world) {
    kit::network_faults lossy;
    lossy.seed = world.order->options().seed;
    lossy.cut_reply = 0.2; // it has happened, and nobody is told
    lossy.duplicate = 0.2;
    auto network = kit::faulty_network::around(world, lossy);
    kit::disk_faults weak;
    weak.seed = lossy.seed;
    weak.crash = 0.1;
    auto disk = kit::faulty_disk::under(world, weak);

    for (bool alive = false; !alive;) {
      kit::stage aut{world, cast()};
      auto answer = aut.invoke("refund", broken_lamp, "client-key");
      aut.run_until([&] { return answer->ended; });
      alive = !world.crashed;
      if (!alive || answer->ended)
        continue;
      // Where the answer to "was it told?" is lost too, a person decides.
      auto state = aut.record_of(answer->id)->state;
      kit::require(state == troupe::store::status::parked, "it hangs");
    }
    kit::require(world.effects["tool:payment"].size() <= 1, "it was paid under two keys");
    kit::require(world.most("tool:mail") <= 1, "the customer was told twice");
  });
}

TEST_CASE("what the real model said of a broken thing leads to a refund") {
  auto recorded = cast();
  recorded.services[1] = kit::cassette("llm:fast", data("refund.cassette"));
  kit::world world;
  kit::stage aut{world, recorded};

  auto answer = aut.invoke("refund", broken_lamp);
  aut.run_until([&] { return answer->ended; });

  REQUIRE(answer->value);
  CHECK(world.total("tool:payment") == 1);
}

TEST_CASE("today's code walks through yesterday's refund") {
  auto run = kit::recorded::load(data("refund.journal"));
  REQUIRE(run);

  auto report = kit::replay(*run);

  INFO(report);
  CHECK(report.same());
}
