// Budgets over a whole troupe: down the tree of an invocation, and over the end of the process.
#include "runtime/core/agent.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

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

kit::stage_options family(std::string_view budget) {
  auto o = kit::play_text(R"(
[agents.first]
[agents.second]
[agents.third]
[models.sage]
kind = "openai"
model = "any"
max_tokens = 100
)" + std::string{budget});
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
