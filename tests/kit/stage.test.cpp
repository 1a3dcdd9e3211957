// A whole topology on a stage: doubles, expectations, crashes.
#include "actors/tool/function_tool.hpp"
#include "runtime/core/agent.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct parcel {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(parcel, (), (id))

struct advice {
  std::string carrier;
};
BOOST_DESCRIBE_STRUCT(advice, (), (carrier))

struct weighed {
  int grams = 0;
};
BOOST_DESCRIBE_STRUCT(weighed, (), (grams))

class courier final : public agent<parcel, std::string> {
  task<std::string> run(parcel in) override {
    auto weight = co_await tool("scales").arg("id", in.id).call<weighed>();
    auto who = co_await llm("planner").ask<advice>("Who carries " + in.id + "?");
    if (!who)
      co_return std::move(who).error();
    auto sent = co_await tool("carrier").arg("id", in.id).arg("with", who->carrier)
                  .call<std::string>();
    if (!sent)
      co_return std::move(sent).error();
    co_return *sent + " by " + who->carrier + (weight ? ", weighed" : "");
  }
};
TROUPE_AGENT(courier)

weighed weigh(const parcel& p) {
  weighed w;
  w.grams = static_cast<int>(p.id.size());
  return w;
}
TROUPE_TOOL(scales, weigh, {.description = "weighs", .blocking = true})

constexpr std::string_view topology = R"(
[troupe]
name = "post"

[agents.courier]

[tools.scales]
kind = "function"
effect = "pure"

[tools.carrier]
kind = "command"
argv = ["carrier"]
effect = "at_most_once"
timeout = "2s"
total_timeout = "4s"
[tools.carrier.reconcile]
argv = ["carrier", "--find"]

[models.planner]
kind = "openai"
model = "any"
base_url = "http://model/v1"
)";

kit::stage_options post() {
  auto o = kit::play_text(topology);
  kit::scripted_llm planner{"planner"};
  planner.otherwise(kit::says(advice{"bike"}));
  o.models.push_back(planner);
  return o;
}

kit::stage_options post_with(const kit::scripted_tool& carrier) {
  auto o = post();
  o.tools.push_back(carrier);
  return o;
}

kit::scripted_tool willing_carrier() {
  kit::scripted_tool carrier{"carrier"};
  carrier.otherwise(kit::says("taken"));
  return carrier;
}

const std::string one_parcel = R"({"id":"P-1"})";

/// The answer's text, or its error.
std::string said_by(const kit::answer& a) {
  return a.value ? from_json<std::string>(*a.value).value_or(*a.value) : to_string(a.value.error());
}

template <class F>
std::string failure_of(F f) {
  try {
    f();
  } catch (const kit::failure& e) {
    return e.what();
  }
  return {};
}

} // namespace

TEST_CASE("a topology plays on a stage with its tools, models and supervisors") {
  kit::world w;
  kit::stage aut{w, post_with(willing_carrier())};

  auto a = aut.invoke("courier", one_parcel);
  aut.run_until([&] { return a->ended; });

  CHECK(said_by(*a) == "taken by bike, weighed");
  CHECK(w.total("tool:carrier") == 1);
  CHECK(w.calls["llm:planner"].size() == 1);
}

TEST_CASE("a mistake in a topology is told with its place") {
  auto text = failure_of([] { kit::play_text("[agents.courier]\nconcurency = 3\n"); });

  INFO(text);
  CHECK(text.find("stage.toml:2:1") != text.npos);
  CHECK(text.find("concurrency") != text.npos);
}

TEST_CASE("a tool that a stage cannot run and nobody doubles is refused at once") {
  kit::world w;
  auto text = failure_of([&] { kit::stage aut{w, post()}; });

  INFO(text);
  CHECK(text.find("tools.carrier") != text.npos);
  CHECK(text.find("kit::scripted_tool") != text.npos);
}

TEST_CASE("a call that nobody planned fails the test and says what was asked") {
  kit::scripted_tool carrier{"carrier"};
  carrier.when("P-2", kit::says("taken"));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};
  aut.invoke("courier", one_parcel);

  auto text = failure_of([&] { aut.run(); });

  INFO(text);
  CHECK(text.find("'tool:carrier' was called and nothing is planned for it") != text.npos);
  CHECK(text.find("P-1") != text.npos);
  CHECK(text.find("call_request") != text.npos);
}

TEST_CASE("a request to a server that nobody planned fails the test") {
  auto o = post_with(willing_carrier());
  o.models.clear(); // then the real endpoint asks over HTTP
  kit::world w;
  kit::stage aut{w, o};
  aut.invoke("courier", one_parcel);

  auto text = failure_of([&] { aut.run(); });

  INFO(text);
  CHECK(text.find("POST http://model/v1/chat/completions was sent") != text.npos);
}

TEST_CASE("a double answers by rule, then by sequence, then otherwise") {
  kit::scripted_tool carrier{"carrier"};
  carrier.when("P-9", kit::says("by rule"))
    .then(kit::says("first"))
    .then(kit::says("second"))
    .otherwise(kit::says("later"));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};

  std::vector<std::string> said;
  for (auto* id : {"P-1", "P-9", "P-1", "P-1"}) {
    auto a = aut.invoke("courier", std::string{R"({"id":")"} + id + "\"}");
    aut.run_until([&] { return a->ended; });
    said.push_back(said_by(*a));
  }

  CHECK(said == std::vector<std::string>{"first by bike, weighed", "by rule by bike, weighed",
                                         "second by bike, weighed", "later by bike, weighed"});
}

TEST_CASE("an effect whose answer is lost is reconciled, not repeated") {
  kit::scripted_tool carrier{"carrier"};
  carrier.then(kit::acts_and_hangs(to_json("taken at once"))).otherwise(kit::says("taken twice"));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};

  auto a = aut.invoke("courier", one_parcel);
  aut.run_until([&] { return a->ended; });

  CHECK(said_by(*a) == "taken at once by bike, weighed");
  CHECK(w.total("tool:carrier") == 1);
  CHECK(w.reconciled["tool:carrier"] == 1);
  CHECK(w.cancelled["tool:carrier"].size() == 1);
}

TEST_CASE("latency is virtual time, and an error is the agent's to see") {
  kit::scripted_tool carrier{"carrier"};
  carrier.otherwise(kit::fails(errc::failed, "no room on the bike").after(1'500ms));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};
  auto begun = aut.now();

  auto a = aut.invoke("courier", one_parcel);
  aut.run_until([&] { return a->ended; });

  REQUIRE(!a->value);
  CHECK(a->value.error().message.find("no room on the bike") != std::string::npos);
  CHECK(aut.now() - begun >= 1'500ms);
  CHECK(w.effects["tool:carrier"].empty());
}

TEST_CASE("a tool whose actor dies is restarted by its supervisor, and the call goes on") {
  kit::scripted_tool carrier{"carrier"};
  carrier.then(kit::crashes()).otherwise(kit::says("taken"));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};

  auto a = aut.invoke("courier", one_parcel);
  aut.expect(kit::event_named("supervisor.restart").of("tool:carrier"));
  aut.run_until([&] { return a->ended; });
  INFO(kit::table_of(w.trace.turns(100)) << kit::table_of(w.trace.events()));

  CHECK(said_by(*a) == "taken by bike, weighed");
  CHECK(w.total("tool:carrier") == 1);
}

TEST_CASE("messages, events and entries can be expected") {
  kit::world w;
  kit::stage aut{w, post_with(willing_carrier())};
  auto a = aut.invoke("courier", one_parcel);

  aut.expect(kit::message<call_request>([](const auto& r) { return r.service == "tool:carrier"; })
               .from("invocation").to("tool:carrier"));
  aut.expect(kit::event_named("tool.call").of("tool:carrier").with_result("ok"));
  aut.expect(kit::event_named("invocation.ended"));
  aut.expect(a->id, kit::entry<journal::ended>([](const auto& e) { return e.ok; }));

  CHECK(a->ended);
}

TEST_CASE("an expectation that is not met fails with what was seen instead") {
  kit::world w;
  kit::stage aut{w, post_with(willing_carrier())};
  auto a = aut.invoke("courier", one_parcel);
  aut.run_until([&] { return a->ended; });

  auto text = failure_of([&] { aut.expect(kit::event_named("tool.call").with_result("failed"), 3s); });
  auto other = failure_of([&] { aut.expect(a->id, kit::entry<journal::parked>(), 3s); });

  INFO(text << other);
  CHECK(text.find("expected an event tool.call with the result failed within 3000 ms")
        != text.npos);
  CHECK(text.find("invocation.ended") != text.npos);
  CHECK(other.find("troupe::journal::parked") != other.npos);
}

TEST_CASE("a forbidden message fails the test when it comes") {
  kit::world w;
  kit::stage aut{w, post_with(willing_carrier())};
  aut.forbid(kit::message<call_request>().to("tool:carrier"));
  aut.invoke("courier", one_parcel);

  auto text = failure_of([&] { aut.run(); });

  CHECK(text.find("a message troupe::call_request to tool:carrier came") != text.npos);
}

TEST_CASE("a process that dies goes on in its next life") {
  kit::scripted_tool carrier{"carrier"};
  carrier.then(kit::acts_and_hangs(to_json("taken"))).otherwise(kit::says("taken twice"));
  kit::world w;
  kit::stage aut{w, post_with(carrier)};
  aut.invoke("courier", one_parcel, "client-key");
  aut.run_until([&] { return w.total("tool:carrier") == 1; });

  aut.crash();
  CHECK(aut.run(1min));
  aut.restart();
  auto a = aut.invoke("courier", one_parcel, "client-key");
  aut.run_until([&] { return a->ended; });

  CHECK(a->attached);
  CHECK(said_by(*a) == "taken by bike, weighed");
  CHECK(w.total("tool:carrier") == 1);
  CHECK(w.lives == 2);
}

TEST_CASE("a store that refuses writes holds up what must be durable, and no more") {
  kit::world w;
  kit::stage aut{w, post_with(willing_carrier())};
  auto a = aut.invoke("courier", one_parcel);
  aut.run_until([&] { return a->accepted; });

  aut.crash_store();
  aut.advance(30s);
  CHECK(w.total("tool:carrier") == 0);
  aut.restart_store();
  aut.settle(1min);

  CHECK(w.total("tool:carrier") == 1);
}

TEST_CASE("what does not end in time is named") {
  kit::scripted_tool carrier{"carrier"};
  carrier.otherwise(kit::hangs()).reconciled([](kit::world&, const kit::scripted_call&) {
    return reconcile_reply{reconcile_state::unknown, {}};
  });
  kit::world w;
  kit::stage aut{w, post_with(carrier)};
  aut.invoke("courier", one_parcel);

  auto text = failure_of([&] { aut.settle(10min); });

  INFO(text);
  CHECK(text.find("these wait for a person") != text.npos);
  CHECK(text.find("courier parked") != text.npos);
  aut.settle(10min, true);
}

TEST_CASE("a topology survives a crash at every boundary, twice", "[sweep]") {
  kit::sweep_options how;
  how.twice = true;

  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      return kit::run_to_answer(w, post_with(willing_carrier()), "courier", one_parcel, "key");
    },
    how);

  CHECK(report.crash_points >= 10);
  for (auto n : report.kinds)
    CHECK(n > 0);
}

TEST_CASE("a sweep finds an effect that is done twice, and says where") {
  auto careless = [](kit::world& w) {
    kit::scripted_tool carrier{"carrier"};
    carrier.otherwise(kit::says("taken")).reconciled([](kit::world&, const kit::scripted_call&) {
      return reconcile_reply{reconcile_state::not_done, {}}; // whatever has happened
    });
    return kit::run_to_answer(w, post_with(carrier), "courier", one_parcel, "key");
  };

  auto text = failure_of([&] { kit::for_each_crash_point(careless); });

  INFO(text);
  CHECK(text.find("after the effect, before its record") != text.npos);
  CHECK(text.find("'tool:carrier' (at_most_once) has done") != text.npos);
}
