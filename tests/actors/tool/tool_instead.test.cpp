// What a tool does about late and missing answers: hedging and fallbacks.
#include "actors/tool/function_tool.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/http_client.hpp"
#include "tests/actors/tool/tool_ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

call_request wishing(tool_ground& f, effect_class cls, std::string options) {
  auto r = f.request(cls);
  r.options = std::move(options);
  return r;
}

struct question {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(question, (), (text))

std::string guards_fallback(const question& q) {
  return "no search for " + q.text;
}
TROUPE_TOOL(guards_fallback, guards_fallback)

} // namespace

// -- hedging --------------------------------------------------------------------------------------

namespace {

tool_options hedged() {
  return with([](tool_options& o) {
    o.hedge.enabled = true;
    o.hedge.after = 100ms;
  });
}

} // namespace

TEST_CASE("a late read is asked a second time, the first answer counts, the loser is stopped") {
  tool_ground f{hedged()};

  auto answer = f.call(effect_class::read);
  f.stage.advance(95ms);
  CHECK(f.backend->seen.size() == 1);
  f.stage.advance(5ms);
  REQUIRE(f.backend->seen.size() == 2);
  CHECK(f.backend->seen[1].key == f.backend->seen[0].key);
  f.answer(1, std::string{"2"});

  CHECK(answer->reply->outcome.value() == "2");
  CHECK(answer->reply->attempts == 2);
  CHECK(f.backend->cancelled == std::vector{f.backend->seen[0].id});
  f.stage.advance(1s);
  CHECK(f.backend->seen.size() == 2); // one second attempt, not one after the other
}

TEST_CASE("where one of two attempts fails the other may still answer") {
  tool_ground f{hedged()};

  auto answer = f.call(effect_class::read);
  f.stage.advance(100ms);
  f.answer(0, down());
  CHECK_FALSE(answer->reply);
  f.answer(1, std::string{"2"});

  CHECK(answer->reply->outcome.value() == "2");
}

TEST_CASE("where both attempts fail the call is tried again as ever") {
  tool_ground f{hedged()};

  auto answer = f.call(effect_class::read);
  f.stage.advance(100ms);
  f.answer(0, down());
  f.answer(1, down());
  f.stage.advance(250ms);
  REQUIRE(f.backend->seen.size() >= 3);
  f.answer(2, std::string{"3"});

  CHECK(answer->reply->outcome.value() == "3");
}

TEST_CASE("an effect is never hedged, nor is a call when no slot or no token is free") {
  tool_ground effect{hedged()};
  effect.call(effect_class::idempotent);
  effect.stage.advance(1s);
  CHECK(effect.backend->seen.size() == 1);

  auto tight = hedged();
  tight.concurrent = 1;
  tool_ground busy{tight};
  busy.call(effect_class::read);
  busy.stage.advance(1s);
  CHECK(busy.backend->seen.size() == 1);

  auto poor = hedged();
  poor.retry.budget = 13;
  tool_ground broke{poor};
  broke.call(effect_class::read);
  broke.stage.advance(1s);
  CHECK(broke.backend->seen.size() == 1);
}

TEST_CASE("without a given delay a call is late after 95 percent of the others") {
  tool_ground f{with([](auto& o) { o.hedge.enabled = true; })};
  for (int i = 0; i < 20; ++i) {
    auto seen = f.backend->seen.size();
    f.call(effect_class::read);
    f.stage.advance(50ms);
    f.answer(seen, std::string{"1"});
  }

  auto before = f.backend->seen.size();
  f.call(effect_class::read);
  f.stage.advance(45ms);
  CHECK(f.backend->seen.size() == before + 1);
  f.stage.advance(10ms);
  CHECK(f.backend->seen.size() == before + 2);
}

TEST_CASE("cancelling a hedged call stops both attempts") {
  tool_ground f{hedged()};

  auto answer = f.call(effect_class::read);
  f.stage.advance(100ms);
  f.stage.tell(f.aut, call_cancel{f.last_id});
  CHECK(f.backend->cancelled.size() == 2);
  f.answer(0, error{errc::cancelled, "stopped"});

  CHECK(code_of(answer) == errc::cancelled);
}

// -- fallback -------------------------------------------------------------------------------------

TEST_CASE("a value takes the place of an answer, and the reply says so") {
  tool_ground f{once_with([](auto& o) { o.fallback.value = R"({"ids":[]})"; })};

  auto answer = f.call(effect_class::read);
  f.answer(0, down());

  CHECK(answer->reply->outcome.value() == R"({"ids":[]})");
  CHECK(answer->reply->degraded);
  CHECK(f.stage.events.count("tool.fallback") == 1);
}

TEST_CASE("every refusal of a guard has the fallback: open breaker, full queue, no time") {
  tool_ground f{once_with([](auto& o) {
    o.fallback.value = "0";
    o.concurrent = 1;
    o.queue = 0;
  })};
  auto running = f.call(effect_class::read);
  auto overloaded = f.call(effect_class::at_most_once);
  CHECK(overloaded->reply->outcome.value() == "0");
  f.answer(0, std::string{"1"});
  CHECK_FALSE(running->reply->degraded);

  for (int i = 0; i < 20; ++i) {
    auto seen = f.backend->seen.size();
    auto answer = f.call(effect_class::read);
    if (f.backend->seen.size() > seen)
      f.answer(seen, down());
    CHECK(answer->reply->outcome.value() == "0");
  }
  CHECK(f.backend->seen.size() < 21);
}

TEST_CASE("no fallback covers up an effect that may have happened, a mistake or a no") {
  tool_ground f{once_with([](auto& o) { o.fallback.value = "0"; })};

  auto lost_effect = f.call(effect_class::idempotent);
  f.answer(0, lost());
  auto lost_read = f.call(effect_class::read);
  f.answer(1, lost());
  auto missing = f.call(effect_class::read);
  f.answer(2, error{errc::not_found, "no such ticket"});

  CHECK(code_of(lost_effect) == errc::unavailable);
  CHECK(certainty_of(lost_effect) == certainty::unknown);
  CHECK(lost_read->reply->outcome.value() == "0");
  CHECK(code_of(missing) == errc::not_found);
}

TEST_CASE("an earlier answer to the same arguments takes its place, with its age") {
  tool_ground f{once_with([](auto& o) { o.fallback.cached = 10min; })};
  auto first = f.call(effect_class::read, R"({"q":1})");
  f.answer(0, std::string{"7"});
  f.stage.advance(60s, 1s);

  auto again = wishing(f, effect_class::read, R"({"told":true})");
  again.body = R"({"q":1})";
  auto old = f.stage.call(f.aut, again);
  f.answer(1, down());
  CHECK(old->reply->outcome.value() == R"({"value":7,"from":"cache","age_ms":60000})");

  auto other = f.call(effect_class::read, R"({"q":2})");
  f.answer(2, down());
  CHECK(code_of(other) == errc::unavailable);

  f.stage.advance(600s, 10s);
  auto too_old = f.call(effect_class::read, R"({"q":1})");
  f.answer(3, down());
  CHECK(code_of(too_old) == errc::unavailable);
}

TEST_CASE("a function of the topology takes its place, and gets the arguments") {
  tool_ground f{once_with([](auto& o) { o.fallback.function = "guards_fallback"; })};
  net::http_client transport;
  auto parts = make_tool_parts(
    with([](auto& o) {
      o.function.class_name = "guards_fallback";
      o.fallback.function = "guards_fallback";
    }),
    f.stage.env, transport);
  parts->backend = f.backend;
  f.start(std::move(*parts));

  auto answer = f.call(effect_class::read, R"({"text":"otters"})");
  f.answer(0, down());

  CHECK(answer->reply->outcome.value() == R"("no search for otters")");
}

TEST_CASE("another tool takes its place where it only looks") {
  tool_ground f{once_with([](auto& o) { o.fallback.tool = "mirror"; })};
  auto asked = std::make_shared<std::vector<call_request>>();
  auto mirror = f.stage.keep(f.stage.system().spawn([asked](caf::event_based_actor*) {
    return caf::behavior{[asked](call_request& r) {
      asked->push_back(r);
      call_reply reply;
      reply.outcome = std::string{"5"};
      return reply;
    }};
  }));
  service_info info;
  f.stage.services.put("tool:mirror", mirror, info);
  auto refused = f.call(effect_class::read);
  f.answer(0, down());
  CHECK(code_of(refused) == errc::unavailable); // it is at_most_once
  CHECK(asked->empty());

  info.cls = effect_class::read;
  f.stage.services.put("tool:mirror", mirror, info);
  auto answer = f.call(effect_class::read, R"({"q":1})");
  f.answer(1, down());

  CHECK(answer->reply->outcome.value() == "5");
  REQUIRE(asked->size() == 1);
  CHECK(asked->front().body == R"({"q":1})");
  CHECK(asked->front().deadline <= f.stage.clock.now() + 30s);
}

TEST_CASE("what an agent says for one call goes before what the topology says") {
  tool_ground f{once_with([](auto& o) { o.fallback.value = "0"; })};

  auto own = f.stage.call(f.aut, wishing(f, effect_class::read,
                                         R"({"function":"guards_fallback","value":9})"));
  f.answer(0, down()); // the function refuses {}: the value is next
  auto told = f.stage.call(f.aut, wishing(f, effect_class::read, R"({"told":true})"));
  f.answer(1, std::string{"[1]"});
  auto nonsense = f.stage.call(f.aut, wishing(f, effect_class::read, "no"));

  CHECK(own->reply->outcome.value() == "9");
  CHECK(told->reply->outcome.value() == R"({"value":[1],"from":"service","age_ms":0})");
  CHECK(code_of(nonsense) == errc::invalid_input);
}

TEST_CASE("guard options that make no sense for an effect are refused") {
  auto keys = [](const tool_options& o) {
    std::vector<std::string> out;
    for (auto& p : o.validate())
      out.push_back(p.key);
    return out;
  };
  auto bad = with([](tool_options& o) {
    o.effect = effect_class::idempotent;
    o.fallback.cached = 1min;
    o.hedge.enabled = true;
  });

  CHECK(keys(bad) == std::vector<std::string>{"fallback.cached", "hedge.enabled"});
}
