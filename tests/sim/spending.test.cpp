// Budgets over a whole troupe: down the tree of an invocation, and over the end of the process.
#include "actors/flow/dispatcher_messages.hpp"
#include "runtime/core/agent.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct errand {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(errand, (), (id))

/// Asks, then sleeps for a day, then has somebody else ask; says how each went.
task<std::string> ask_and_pass(errand in, std::string_view next) {
  auto said = co_await llm("sage").complete("what of " + in.id + "?");
  std::string out{said ? "ok" : to_string(said.error().code)};
  if (next.empty())
    co_return out;
  auto slept = co_await sleep(30min);
  auto theirs = co_await invoke<std::string>(next, in);
  out += slept ? " " : "! ";
  out += theirs ? *theirs : to_string(theirs.error());
  co_return out;
}

class third final : public agent<errand, std::string> {
  task<std::string> run(errand in) override { co_return co_await ask_and_pass(std::move(in), ""); }
};
TROUPE_AGENT(third)

class second final : public agent<errand, std::string> {
  task<std::string> run(errand in) override {
    co_return co_await ask_and_pass(std::move(in), "third");
  }
};
TROUPE_AGENT(second)

class first final : public agent<errand, std::string> {
  task<std::string> run(errand in) override {
    co_return co_await ask_and_pass(std::move(in), "second");
  }
};
TROUPE_AGENT(first)

/// Fails where it gets no answer.
class demanding final : public agent<errand, std::string> {
  task<std::string> run(errand in) override {
    auto said = co_await llm("sage").complete("what of " + in.id + "?");
    if (!said)
      co_return std::move(said).error();
    co_return std::string{"ok"};
  }
};
TROUPE_AGENT(demanding)

using reply = std::shared_ptr<std::optional<invocation_reply>>;

/// Asks on behalf of a tenant.
reply ask_for(kit::stage& aut, std::string tenant, std::string agent, std::string key) {
  invoke_request r;
  r.agent = std::move(agent);
  r.input = R"({"id":"A"})";
  r.idempotency_key = std::move(key);
  r.tenant = std::move(tenant);
  r.wait = true;
  return aut.ask<invocation_reply>(std::move(r));
}

kit::stage_options family(std::string_view budget, std::string_view of_third = {}) {
  auto o = kit::play_text(R"(
[agents.first]
[agents.second]
[models.sage]
kind = "openai"
model = "any"
max_tokens = 100
[agents.demanding]
[agents.third]
)" + std::string{of_third} + std::string{budget});
  kit::scripted_llm sage{"sage"};
  sage.otherwise(kit::says(std::string(400, 'x'))); // 100 tokens
  o.models.push_back(sage);
  return o;
}

} // namespace

TEST_CASE("children spend from the budget of the invocation that began it all over restarts too") {
  for (bool dies : {false, true}) {
    INFO("the process dies: " << dies);
    kit::world w;
    kit::stage aut{w, family("[budgets.run]\nper = \"invocation\"\ntokens = 250\n")};
    auto one = aut.invoke("first", R"({"id":"A"})", "key-1");
    aut.run_until([&] { return one->accepted; });
    for (int i = 0; i < 2; ++i) {
      aut.advance(20min);
      if (dies)
        aut.restart();
    }
    if (dies)
      one = aut.invoke("first", R"({"id":"A"})", "key-1");
    aut.run_until([&] { return one->ended; }, 24h);
    auto other = aut.invoke("third", R"({"id":"B"})", "key-2");
    aut.run_until([&] { return other->ended; });

    REQUIRE(one->value);
    CHECK(*one->value == R"("ok ok budget_exceeded")");
    REQUIRE(other->value);
    CHECK(*other->value == R"("ok")"); // a tree of its own
  }
}

TEST_CASE("what was spent today is remembered when the process was killed") {
  kit::world w;
  kit::stage aut{w, family("[budgets.all]\ntokens = 250\n")};
  auto ask = [&](std::string key) {
    auto slot = aut.invoke("third", R"({"id":"A"})", std::move(key));
    aut.run_until([&] { return slot->ended; });
    return slot->value ? *slot->value : to_string(slot->value.error());
  };

  CHECK(ask("key-1") == R"("ok")");
  aut.crash();
  aut.restart();
  CHECK(ask("key-2") == R"("ok")");
  aut.crash();
  aut.restart();

  CHECK(ask("key-3") == R"("budget_exceeded")");
  aut.advance(24h);
  CHECK(ask("key-4") == R"("ok")");
}

TEST_CASE("a call that was in flight when the process was killed is paid for once for each time") {
  for (std::uint32_t kills = 0; kills < 4; ++kills) {
    INFO(kills << " times killed");
    auto o = family("[budgets.all]\ntokens = 450\n"); // of four calls
    kit::scripted_llm sage{"sage"};
    if (kills > 0)
      sage.then(kit::says(std::string(400, 'x')).after(10s), kills);
    sage.otherwise(kit::says(std::string(400, 'x')));
    o.models = {sage};
    kit::world w;
    kit::stage aut{w, o};
    aut.invoke("third", R"({"id":"A"})", "key-0");
    for (std::uint32_t i = 1; i <= kills; ++i) {
      aut.run_until([&] { return w.asked["llm:sage"] == i; });
      aut.advance(1s); // what was booked is in the store
      aut.crash();
      aut.restart();
    }

    std::uint32_t more = 0;
    for (std::string said = R"("ok")"; said == R"("ok")"; ++more) {
      auto next = aut.invoke("third", R"({"id":"A"})", "key-" + std::to_string(more));
      aut.run_until([&] { return next->ended; });
      REQUIRE(next->value);
      said = *next->value;
    }

    CHECK(more - 1 == 4 - kills); // the last one was refused
  }
}

TEST_CASE("the tenant that a request names pays for all that it invokes over restarts too") {
  for (std::string tenant : {"acme", "other", ""})
    for (bool dies : {false, true}) {
      INFO(tenant << ", the process dies: " << dies);
      kit::world w;
      kit::stage aut{w, family("[budgets.acme]\ntenants = [\"acme\"]\ntokens = 250\n")};
      auto one = ask_for(aut, tenant, "first", "key-1");
      for (int i = 0; i < 2; ++i) {
        aut.advance(20min);
        if (dies)
          aut.restart();
      }
      one = ask_for(aut, tenant, "first", "key-1"); // the same one; who asked first has gone
      aut.run_until([&] { return one->has_value(); }, 24h);

      REQUIRE(one->has_value());
      REQUIRE((*one)->value);
      CHECK(*(*one)->value
            == (tenant == "acme" ? R"("ok ok budget_exceeded")" : R"("ok ok ok")"));
    }
}

TEST_CASE("one that has ended and is retried is paid for by the same tenant") {
  kit::world w;
  kit::stage aut{w, family("[budgets.acme]\ntenants = [\"acme\"]\ntokens = 150\n")};
  auto first = ask_for(aut, "acme", "demanding", "key-1");
  aut.run_until([&] { return first->has_value(); });
  REQUIRE((*first)->value);
  auto second = ask_for(aut, "acme", "demanding", "key-2");
  aut.run_until([&] { return second->has_value(); });
  REQUIRE((*second)->value.error().code == errc::budget_exceeded);
  auto id = (*second)->id;
  aut.advance(1h);

  auto again = aut.ask<command_reply>(retry_request{id});
  aut.run_until([&] { return again->has_value(); });
  auto end = aut.ask<invocation_reply>(await_invocation{id, nullptr});
  aut.run_until([&] { return end->has_value(); });

  REQUIRE((*again)->done);
  REQUIRE_FALSE((*end)->value);
  CHECK((*end)->value.error().code == errc::budget_exceeded);
}

TEST_CASE("an agent is shared between the tenants that wait for it") {
  kit::world w;
  kit::stage aut{w, family("[tenants.dear]\nshare = 2\n", "concurrency = 1\n")};
  std::vector<reply> noisy;
  for (int i = 0; i < 30; ++i)
    noisy.push_back(ask_for(aut, "noisy", "third", "noisy-" + std::to_string(i)));
  aut.run_until([&] { return noisy[2]->has_value(); });

  auto shy = ask_for(aut, "shy", "third", "shy");
  aut.run_until([&] { return shy->has_value(); });

  CHECK(std::count_if(noisy.begin(), noisy.end(), [](const reply& r) { return r->has_value(); })
        <= 7);
}

TEST_CASE("the name of a tenant is plain and short") {
  kit::world w;
  kit::stage aut{w, family("")};
  for (std::string name : {std::string{"a b"}, std::string{"a|1"}, std::string(65, 'a')}) {
    auto said = ask_for(aut, name, "third", "key");
    aut.run_until([&] { return said->has_value(); });
    REQUIRE_FALSE((*said)->value);
    CHECK((*said)->value.error().code == errc::invalid_input);
  }
}
