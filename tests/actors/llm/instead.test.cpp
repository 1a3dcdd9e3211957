// What a call gets without a conversation of its own: the cache, the answer of another call, another
// model, a declared text; and what a budget lets through.

#include "tests/actors/llm/desk.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

budget_options tokens_a_day(std::uint64_t tokens) {
  budget_options b;
  b.name = "all";
  b.tokens = tokens;
  return b;
}

} // namespace

TEST_CASE("when a model is down the next one is asked the same and its answer is marked degraded") {
  desk d{with_spare()};
  d.hire_spare();
  auto slot = d.call(words);

  d.answer(0, down());
  REQUIRE(d.spare->seen.size() == 1);
  CHECK(d.spare->seen[0].asked.messages[0].content == "Who goes there?");
  d.spare_says(0, says("a spare friend"));

  CHECK(slot->value().find("a spare friend") != std::string::npos);
  CHECK(slot->reply->degraded);
  CHECK(slot->reply->attempts == 2);
  CHECK(d.events.count("llm.fallback") == 1);
}

TEST_CASE("messages that are too long for one model go to the next, other mistakes do not") {
  desk d{with_spare()};
  d.hire_spare();
  auto large = d.call(words);
  auto wrong = d.call(words);

  d.answer(0, error{errc::invalid_input, "the messages are longer than the model's context: 9000"});
  d.answer(1, error{errc::invalid_input, "no such role"});

  CHECK(wrong->why().code == errc::invalid_input);
  REQUIRE(d.spare->seen.size() == 1);
  d.spare_says(0, says("fits"));
  CHECK(large->value().find("fits") != std::string::npos);
}

TEST_CASE("when no other model can serve either a declared text does") {
  auto o = with_spare();
  o.fallback.text = "We will call you back.";
  desk d{o};
  d.hire_spare();
  auto plain = d.call(words);
  auto typed = d.call(shaped);
  d.answer(0, down());
  d.answer(1, down());
  d.spare_says(0, down());
  d.spare_says(1, down());

  CHECK(plain->value()
        == R"({"text":"We will call you back.","input_tokens":0,"output_tokens":0})");
  CHECK(plain->reply->degraded);
  CHECK(typed->why().code == errc::unavailable); // the text holds no value of that shape
}

TEST_CASE("in an outage an earlier answer to the same question serves again") {
  endpoint_options o;
  o.fallback.cached = 10min;
  desk d{o};
  d.call(words);
  d.answer(0, says("a friend"));
  d.advance(5min);

  auto slot = d.call(words);
  d.answer(1, down());
  auto other = d.call(shaped);
  d.answer(2, down());

  CHECK(slot->value().find("a friend") != std::string::npos);
  CHECK(slot->reply->degraded);
  CHECK(other->why().code == errc::unavailable);
}

TEST_CASE("a cancelled call has no fallback and the other model is told") {
  desk d{with_spare()};
  d.hire_spare();
  auto slot = d.call(words);
  d.answer(0, down());
  REQUIRE(d.spare->seen.size() == 1);

  d.cancel(d.last_id);

  CHECK(d.spare->seen[0].cancelled);
  CHECK(slot->why().code == errc::cancelled);
}

TEST_CASE("the same request gets its earlier answer for as long as the cache keeps it") {
  endpoint_options o;
  o.cache.ttl = 1min;
  desk d{o};
  d.call(words);
  d.answer(0, says("a friend"));

  auto soon = d.call(words);
  CHECK(soon->value().find("a friend") != std::string::npos);
  CHECK(soon->reply->attempts == 0);
  CHECK_FALSE(soon->reply->degraded);
  d.call(R"({"messages":[{"role":"user","content":"Who goes there!"}]})");
  CHECK(d.backend->seen.size() == 2);
  d.advance(61s);
  d.call(words);
  CHECK(d.backend->seen.size() == 3);
}

TEST_CASE("requests that are the same at the same time are one") {
  endpoint_options o;
  o.cache.coalesce = true;
  desk d{o};
  std::vector<std::shared_ptr<asked<call_reply>>> slots;
  for (int i = 0; i < 5; ++i)
    slots.push_back(d.call(words));
  CHECK(d.backend->seen.size() == 1);

  d.answer(0, says("a friend"));

  for (const auto& s : slots)
    CHECK(s->value().find("a friend") != std::string::npos);
  d.call(words);
  CHECK(d.backend->seen.size() == 2);
}

TEST_CASE("when the one that asks for all gives up the next one asks") {
  endpoint_options o;
  o.cache.coalesce = true;
  desk d{o};
  auto first = d.call(words);
  auto first_id = d.last_id;
  auto second = d.call(words);
  auto third = d.call(words);

  d.cancel(first_id);

  CHECK(first->why().code == errc::cancelled);
  REQUIRE(d.backend->seen.size() == 2);
  d.answer(1, says("a friend"));
  CHECK(second->value().find("a friend") != std::string::npos);
  CHECK(third->value().find("a friend") != std::string::npos);
}

TEST_CASE("a failure that is not the caller's own is everybody's") {
  endpoint_options o;
  o.cache.coalesce = true;
  desk d{o};
  auto first = d.call(words);
  auto second = d.call(words);

  d.answer(0, error{errc::failed, "no"});

  CHECK(first->why().code == errc::failed);
  CHECK(second->why().code == errc::failed);
  CHECK(d.backend->seen.size() == 1);
}

TEST_CASE("what ends a call for want of its own time is not what the others get") {
  endpoint_options o;
  o.cache.coalesce = true;
  desk d{o};
  d.options.retry.attempts_max = 3;
  d.options.retry.backoff_base = 20s;
  d.random.value = 19'999;
  caf::anon_send_exit(d.aut, caf::exit_reason::kill);
  d.run();
  d.start();
  auto hurried = d.call(words, d.time.now() + 5s);
  auto patient = d.call(words);

  d.answer(0, down()); // the pause before the next attempt would go past its deadline

  CHECK(hurried->why().code == errc::unavailable);
  REQUIRE(d.backend->seen.size() == 2);
  d.answer(1, says("a friend"));
  CHECK(patient->value().find("a friend") != std::string::npos);
}

TEST_CASE("a budget that is spent is nobody else's reason") {
  endpoint_options o;
  o.cache.coalesce = true;
  o.max_tokens = 100;
  o.repairs_max = 1;
  auto tree = tokens_a_day(150);
  tree.per = budget_period::invocation;
  desk d{o, {tree}};
  auto from = [&](std::string invocation) {
    call_request r;
    r.id = ++d.last_id;
    r.service = "llm:fast";
    r.body = shaped;
    r.cls = effect_class::read;
    r.invocation = std::move(invocation);
    return d.ask<call_reply>(std::move(r));
  };
  auto poor = from("t-1");
  auto other = from("t-2");

  auto dear = says("no JSON at all");
  dear.output_tokens = 100;
  d.answer(0, dear); // to be asked again it would need more than it has

  CHECK(poor->why().code == errc::budget_exceeded);
  REQUIRE(d.backend->seen.size() == 2);
  d.answer(1, says(R"({"queue":"billing"})"));
  CHECK(other->value() == R"({"queue":"billing"})");
}

TEST_CASE("a request that would go above its budget is not sent") {
  endpoint_options o;
  o.max_tokens = 100;
  desk d{o, {tokens_a_day(150)}};
  auto first = d.call(words);
  auto second = d.call(words);

  CHECK(second->why().code == errc::budget_exceeded);
  CHECK(d.backend->seen.size() == 1);
  d.answer(0, says("a friend")); // 13 tokens
  CHECK(first->value() != "");
  CHECK(d.book->spent("all").tokens == 13);
  d.call(words);
  CHECK(d.backend->seen.size() == 2);
}

TEST_CASE("what was refused costs nothing, what may have been answered costs what was expected") {
  endpoint_options o;
  o.max_tokens = 100;
  o.price.output = 1'000'000; // a token, a unit
  desk d{o, {tokens_a_day(10'000)}};
  d.call(words);
  d.answer(0, error{errc::invalid_input, "400"});
  CHECK(d.book->spent("all").tokens == 0);

  d.call(words);
  d.answer(1, down());

  CHECK(d.book->spent("all").tokens > 100);
  CHECK(d.book->spent("all").money == 100);
}

TEST_CASE("a child pays from the account of the invocation that began it all") {
  budget_options tree = tokens_a_day(150);
  tree.per = budget_period::invocation;
  endpoint_options o;
  o.max_tokens = 100;
  desk d{o, {tree}};
  auto from = [&](std::string invocation, std::string options) {
    call_request r;
    r.id = ++d.last_id;
    r.service = "llm:fast";
    r.body = words;
    r.cls = effect_class::read;
    r.invocation = std::move(invocation);
    r.options = std::move(options);
    return d.ask<call_reply>(std::move(r));
  };

  auto root = from("t-1", "");
  auto child = from("t-2", R"({"tree":"t-1"})");
  auto stranger = from("t-3", "");

  CHECK_FALSE(root->reply);
  CHECK(child->why().code == errc::budget_exceeded);
  CHECK_FALSE(stranger->reply);
}
