#include "actors/llm/scripted_backend.hpp"

#include "actors/supervision/supervisor_messages.hpp"
#include "tests/actors/llm/ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

class desk : public ground {
public:
  explicit desk(endpoint_options o = {}) {
    o.name = options.name;
    o.model = options.model;
    o.script = options.script;
    options = std::move(o);
    start();
  }
};

endpoint_options narrow(std::uint32_t concurrent, std::uint32_t queue) {
  endpoint_options o;
  o.concurrent = concurrent;
  o.queue = queue;
  return o;
}

error rate_limited(std::optional<std::chrono::milliseconds> after) {
  error e{errc::rate_limited, "slow down"};
  e.retry_after = after;
  return e;
}

} // namespace

TEST_CASE("an endpoint is in the directory, and only reads") {
  desk d;

  auto entry = d.services.find("llm:fast");

  REQUIRE(entry);
  CHECK(entry->handle == d.aut);
  CHECK(entry->info.cls == effect_class::read);
  CHECK(entry->info.total_timeout == 200s);
}

TEST_CASE("without a schema the outcome is the text and its tokens") {
  desk d;

  auto slot = d.call(words);
  CHECK_FALSE(slot->reply);
  d.answer(0, says("A friend."));

  CHECK(slot->value() == R"({"text":"A friend.","input_tokens":10,"output_tokens":3})");
  CHECK(slot->reply->attempts == 1);
}

TEST_CASE("a call's own settings go before the endpoint's") {
  endpoint_options o;
  o.temperature = 0.2;
  o.max_tokens = 500;
  desk d{o};

  d.call(words);
  d.call(R"({"messages":[{"role":"user","content":"x"}],"temperature":1.5,"max_tokens":7})");

  CHECK(d.backend->seen[0].asked.temperature == 0.2);
  CHECK(d.backend->seen[0].asked.max_tokens == 500);
  CHECK(d.backend->seen[1].asked.temperature == 1.5);
  CHECK(d.backend->seen[1].asked.max_tokens == 7);
}

TEST_CASE("a call that cannot be right never reaches the model") {
  desk d;

  for (auto body : {"", "{}", R"({"messages":[]})", R"({"messages":[{"role":"user"}]})",
                    R"({"messages":[{"role":"","content":""}]})",
                    R"({"messages":[{"role":"user","content":"x"}],"schema":[]})",
                    R"({"messages":[{"role":"user","content":"x"}],"temperature":3})",
                    R"({"messages":[{"role":"user","content":"x"}],"max_tokens":0})"})
    CHECK(d.call(body)->why().code == errc::invalid_input);

  CHECK(d.backend->seen.empty());
}

TEST_CASE("with a schema the outcome is the value, without what stands around it") {
  desk d;

  auto slot = d.call(shaped);
  d.answer(0, says("Sure:\n```json\n{\"queue\": \"billing\"}\n```"));

  CHECK(slot->value() == R"({"queue": "billing"})");
}

TEST_CASE("a model that misses the schema is told what is wrong and asked again at temperature 0") {
  desk d;

  auto slot = d.call(shaped);
  d.answer(0, says(R"({"queue": 7})"));

  REQUIRE(d.backend->seen.size() == 2);
  const auto& again = d.backend->seen[1].asked;
  CHECK(again.temperature == 0.0);
  REQUIRE(again.messages.size() == 3);
  CHECK(again.messages[1].role == "assistant");
  CHECK(again.messages[1].content == R"({"queue": 7})");
  CHECK(again.messages[2].role == "user");
  CHECK(again.messages[2].content.find("/queue") != std::string::npos);

  d.answer(1, says(R"({"queue": "billing"})"));
  CHECK(slot->value() == R"({"queue": "billing"})");
  CHECK(slot->reply->attempts == 2);
  CHECK(slot->reply->said == std::vector<std::string>{R"({"queue": 7})"}); // the outcome is the other
  CHECK(d.stats().repairs == 1);
}

TEST_CASE("after the last repair the call fails with the beginning of the answer") {
  endpoint_options o;
  o.repairs_max = 1;
  desk d{o};

  auto slot = d.call(shaped);
  d.answer(0, says("no"));
  d.answer(1, says("still not"));

  CHECK(slot->why().code == errc::schema_mismatch);
  CHECK(slot->why().message.find("still not") != std::string::npos);
  CHECK(slot->reply->said == std::vector<std::string>{"no", "still not"});
  CHECK(d.backend->open() == 0);
}

TEST_CASE("never more than `concurrent` requests are in flight, and the oldest call goes first") {
  desk d{narrow(2, 10)};
  std::vector<std::shared_ptr<asked<call_reply>>> slots;
  for (int i = 0; i < 5; ++i)
    slots.push_back(d.call(words));

  CHECK(d.backend->seen.size() == 2);
  CHECK(d.stats().waiting == 3);
  d.answer(1, says("b"));
  CHECK(d.backend->seen.size() == 3);
  d.answer(2, says("c"));
  d.answer(0, says("a"));
  CHECK(d.backend->open() == 2);

  CHECK(slots[1]->value().find("\"b\"") != std::string::npos);
  CHECK(slots[2]->value().find("\"c\"") != std::string::npos);
  CHECK_FALSE(slots[3]->reply);
}

TEST_CASE("a call above the queue is overloaded and told when to come back") {
  desk d{narrow(1, 1)};
  auto first = d.call(words);
  d.call(words);

  auto third = d.call(words);

  CHECK(third->why().code == errc::overloaded);
  REQUIRE(third->why().retry_after);
  CHECK(*third->why().retry_after >= 100ms);
  d.answer(0, says("a"));
  CHECK(first->value() != "");
  CHECK_FALSE(d.call(words)->reply);
  CHECK(d.stats().overloaded == 1);
}

TEST_CASE("a process that has stood still holds nothing against a model that it did not hear") {
  auto o = narrow(20, 20);
  o.retry.attempts_max = 1;
  desk d{o};
  for (int i = 0; i < 15; ++i)
    d.call(words);

  d.scheduler.advance_time(5min);
  d.run();

  CHECK(d.stats().attempts == 15);
  CHECK(d.events.count("breaker.changed") == 0);
}

TEST_CASE("fault 27: a rate limit is waited for as long as the server asks, by all that use the key") {
  desk d{narrow(1, 10)};
  auto slot = d.call(words);
  auto other = d.call(words);

  d.answer(0, rate_limited(5s));
  d.advance(4'990ms);
  CHECK(d.backend->seen.size() == 1);
  d.advance(10ms);
  REQUIRE(d.backend->seen.size() == 2); // the other one's turn: it waited longer
  d.answer(1, says("other"));
  CHECK(other->reply);
  REQUIRE(d.backend->seen.size() == 3);
  d.answer(2, says("at last"));

  CHECK(slot->value().find("at last") != std::string::npos);
  CHECK(slot->reply->attempts == 2);
  CHECK(d.stats().retries == 1);
}

TEST_CASE("a failure gives its slot back until it is tried again") {
  desk d{narrow(1, 10)};
  auto slot = d.call(words);
  auto other = d.call(words);

  d.answer(0, error{errc::unavailable, "503"});

  CHECK(d.backend->seen.size() == 2); // the other one's turn
  d.answer(1, says("other"));
  CHECK(other->reply);
  REQUIRE(d.backend->seen.size() == 3);
  d.answer(2, says("at last"));
  CHECK(slot->value().find("at last") != std::string::npos);
}

TEST_CASE("a model that fails opens its breaker, further questions are refused at once") {
  endpoint_options o;
  o.retry.attempts_max = 1;
  o.concurrent = 10;
  desk d{o};
  std::vector<std::shared_ptr<asked<call_reply>>> slots;
  for (int i = 0; i < 22; ++i)
    slots.push_back(d.call(words));
  for (std::size_t i = 0; i < 10; ++i)
    d.answer(i, error{errc::unavailable, "503"});

  CHECK(slots[9]->why().code == errc::unavailable);
  CHECK(slots[19]->why().code == errc::circuit_open); // these waited for a slot
  CHECK(slots[21]->why().code == errc::circuit_open);
  auto refused = d.call(words);
  CHECK(refused->why().code == errc::circuit_open);
  CHECK(refused->why().retry_after > 0s);

  for (std::size_t i = 10; i < 19; ++i)
    d.answer(i, says("too late to count"));
  CHECK(d.call(words)->why().code == errc::circuit_open);

  d.advance(36s);
  auto before = d.backend->seen.size();
  for (int i = 0; i < 10; ++i)
    d.call(words);
  CHECK(d.backend->seen.size() == before + 3);
  d.answer(before, says("a"));
  d.answer(before + 1, says("b"));
  CHECK_FALSE(d.call(words)->reply); // closed
}

TEST_CASE("a restarted endpoint goes on with its retry budget and its breaker") {
  desk d;
  auto states = std::make_shared<std::vector<std::string>>();
  auto supervisor = d.system.spawn([states](caf::event_based_actor*) {
    return caf::behavior{[states](const save_checkpoint& s) { states->push_back(s.state); }};
  });
  auto gate = make_llm_breaker(d.options, d.env);
  gate->order(breaker_order::open);
  llm_setup setup{d.env, d.timer, d.options, d.backend, gate, supervisor, "models.fast", R"({"tokens":3})"};
  auto restart = [&] {
    caf::anon_send_exit(d.aut, caf::exit_reason::user_shutdown);
    d.run();
    d.aut = start_llm_endpoint(d.system, setup);
    d.run();
  };
  restart();
  CHECK(d.call(words)->why().code == errc::circuit_open);
  gate->order(breaker_order::self);
  auto slot = d.call(words);
  d.answer(0, error{errc::unavailable, "503"});
  CHECK(slot->why().code == errc::unavailable); // 3 tokens pay for no retry
  restart();

  REQUIRE_FALSE(states->empty());
  CHECK(states->back() == R"({"tokens":3})");
  caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
  setup.supervisor = nullptr;
  d.run();
}

TEST_CASE("fault 28: a rate limit that asks for too much patience is passed on") {
  desk d;
  auto slot = d.call(words);

  d.answer(0, rate_limited(61s));

  CHECK(slot->why().code == errc::rate_limited);
  CHECK(slot->why().retry_after == 61s);
}

TEST_CASE("fault 30: what may pass is tried again with backoff, attempts_max times in all") {
  desk d;
  d.random.value = 100;
  auto slot = d.call(words);

  d.answer(0, error{errc::unavailable, "503"});
  d.advance(90ms);
  CHECK(d.backend->seen.size() == 1);
  d.advance(10ms);
  d.answer(1, error{errc::timed_out, "slow", certainty::unknown});
  d.advance(100ms);
  d.answer(2, error{errc::unavailable, "503 again"});

  CHECK(slot->why().message == "503 again");
  CHECK(slot->why().outcome == certainty::unknown);
  CHECK(slot->reply->attempts == 3);
}

TEST_CASE("what a repeat cannot change is not tried again") {
  desk d;
  std::size_t n = 0;

  for (auto code : {errc::invalid_input, errc::failed, errc::not_found, errc::output_too_large,
                    errc::budget_exceeded}) {
    auto slot = d.call(words);
    d.answer(n++, error{code, "no"});
    d.advance(100ms);
    CHECK(slot->why().code == code);
    CHECK(slot->reply->attempts == 1);
  }

  CHECK(d.backend->seen.size() == n);
}

TEST_CASE("fault 31: an attempt that takes too long is cancelled, and tried again") {
  desk d;
  auto slot = d.call(words);

  d.advance(59'990ms);
  CHECK_FALSE(d.backend->seen[0].cancelled);
  d.advance(20ms);

  CHECK(d.backend->seen[0].cancelled);
  REQUIRE(d.backend->seen.size() == 2);
  d.answer(1, says("better late"));
  CHECK(slot->value().find("better late") != std::string::npos);
}

TEST_CASE("one deadline covers all attempts") {
  endpoint_options o;
  o.retry.timeout = 1s;
  o.retry.total_timeout = 1500ms;
  desk d{o};
  auto slot = d.call(words);

  d.advance(1'010ms);
  CHECK(d.backend->seen.size() == 2);
  d.advance(500ms);

  CHECK(slot->why().code == errc::deadline_exceeded);
  CHECK(slot->why().outcome == certainty::unknown);
  CHECK(d.backend->seen[1].cancelled);
}

TEST_CASE("a call's own deadline ends it in the queue, too") {
  desk d{narrow(1, 10)};
  d.call(words);
  auto slot = d.call(words, d.time.now() + 2s);

  d.advance(2'010ms);
  CHECK(slot->why().code == errc::deadline_exceeded);
  CHECK(slot->why().outcome == certainty::definite);

  d.answer(0, says("a"));
  CHECK(d.backend->seen.size() == 1);
  CHECK(d.stats().in_flight == 0);
}

TEST_CASE("expired mail is answered without asking the model") {
  desk d;

  auto slot = d.call(words, d.time.now() - 1s);

  CHECK(slot->why().code == errc::deadline_exceeded);
  CHECK(d.backend->seen.empty());
}

TEST_CASE("cancelling reaches the request in flight") {
  desk d;
  auto slot = d.call(words);

  d.cancel(d.last_id);

  CHECK(d.backend->seen[0].cancelled);
  CHECK(slot->why().code == errc::cancelled);
  CHECK(slot->why().outcome == certainty::unknown);
  CHECK(d.stats().in_flight == 0);
}

TEST_CASE("cancelling ends a call that waits for a slot or for its next attempt") {
  desk d{narrow(1, 10)};
  d.random.value = 100;
  auto pausing = d.call(words);
  auto in_flight = d.call(words);
  auto queued = d.call(words);
  d.answer(0, error{errc::unavailable, "503"});

  d.cancel(1);
  d.cancel(3);
  d.cancel(3);
  d.cancel(99);

  CHECK(pausing->why().code == errc::cancelled);
  CHECK(queued->why().code == errc::cancelled);
  CHECK(queued->why().outcome == certainty::definite);
  CHECK_FALSE(in_flight->reply);
  d.answer(1, says("a"));
  CHECK(in_flight->reply);
  d.advance(1s);
  CHECK(d.backend->seen.size() == 2);
}

TEST_CASE("an endpoint that ends answers everybody and cancels what is in flight") {
  desk d{narrow(1, 10)};
  auto in_flight = d.call(words);
  auto queued = d.call(words);

  caf::anon_send_exit(d.aut, caf::exit_reason::kill);
  d.run();

  CHECK(d.backend->seen[0].cancelled);
  CHECK(in_flight->why().code == errc::unavailable);
  CHECK(in_flight->why().outcome == certainty::unknown);
  CHECK(queued->why().outcome == certainty::definite);
  d.advance(300s); // late timers find nobody
}

TEST_CASE("a successor takes the name over, with the same backend") {
  desk d;
  auto first = d.aut;
  caf::anon_send_exit(first, caf::exit_reason::kill);
  d.run();

  d.start(d.backend);
  auto slot = d.call(words);
  d.answer(0, says("a"));

  CHECK(d.services.find("llm:fast")->handle != first);
  CHECK(slot->reply);
}

TEST_CASE("each attempt and each call is an event, without what was said") {
  desk d;
  d.call(words);
  d.answer(0, error{errc::unavailable, "503"});
  d.answer(1, says("A friend."));

  REQUIRE(d.events.count("llm.call") == 2);
  REQUIRE(d.events.count("llm.done") == 1);
  auto all = d.events.events();
  CHECK(all[0].result == "unavailable");
  CHECK(all[0].attempt == 1);
  CHECK(all[1].result == "ok");
  CHECK(all[1].attempt == 2);
  CHECK(all[1].service == "llm:fast");
  CHECK(all[1].invocation == "k3f9x2-17");
  auto line = to_json_line(all[1], d.time.now());
  CHECK(line.find(R"("model":"small")") != std::string::npos);
  CHECK(line.find(R"("input_tokens":10)") != std::string::npos);
  CHECK(line.find(R"("finish_reason":"stop")") != std::string::npos);
  for (const auto& e : all)
    CHECK(to_json_line(e, d.time.now()).find("friend") == std::string::npos);
}

TEST_CASE("an endpoint counts its calls, attempts and tokens") {
  desk d;
  d.call(words);
  d.answer(0, error{errc::unavailable, "503"});
  d.answer(1, says("a"));
  d.call(words);

  auto s = d.stats();

  CHECK(s.calls == 2);
  CHECK(s.calls_ok == 1);
  CHECK(s.attempts == 3);
  CHECK(s.attempts_ok == 1);
  CHECK(s.retries == 1);
  CHECK(s.input_tokens == 10);
  CHECK(s.output_tokens == 3);
  CHECK(s.in_flight == 1);
  CHECK(s.waiting == 0);
}

TEST_CASE("mail above the bound is refused at the door") {
  desk d{narrow(1, 1)};
  std::vector<std::shared_ptr<asked<call_reply>>> slots;
  call_request r;
  r.body = words;
  for (int i = 0; i < 100; ++i) {
    auto slot = slots.emplace_back(std::make_shared<asked<call_reply>>());
    d.system.spawn([slot, to = d.aut, r](caf::event_based_actor* self) {
      self->request(to, caf::infinite, r).then([slot](call_reply& c) { slot->reply = c; });
    });
  }
  // All callers first, the endpoint last.
  auto callers = [&](caf::resumable* job) {
    return job != dynamic_cast<caf::resumable*>(caf::actor_cast<caf::abstract_actor*>(d.aut));
  };
  d.scheduler.run_jobs_filtered(callers);
  auto refused = std::count_if(slots.begin(), slots.end(), [](const auto& s) {
    return s->reply && s->why().code == errc::overloaded;
  });

  CHECK(refused == 100 - (1 + 1 + 64));
  d.run();
  CHECK(d.backend->seen.size() == 1);
  CHECK(std::count_if(slots.begin(), slots.end(), [](const auto& s) { return !s->reply; }) == 2);
}

TEST_CASE("a scripted endpoint answers through its faults") {
  ground g;
  auto script = parse_script(R"({"latency_ms": 50,
    "rules": [{"when": {"contains": ["which queue"]}, "answer": {"queue": "billing"}}],
    "faults": [{"every": 7, "error": "malformed"}, {"every": 3, "error": "rate_limited"},
               {"every": 5, "error": "unavailable"}]})",
                             "x.json");
  REQUIRE(script);
  g.start(std::make_shared<scripted_backend>(g.system, g.env, g.timer, std::move(*script)));
  std::vector<std::shared_ptr<asked<call_reply>>> slots;
  for (int i = 0; i < 5; ++i)
    slots.push_back(g.call(shaped));

  g.advance(30s);

  for (const auto& s : slots)
    CHECK(s->value() == R"({"queue":"billing"})");
}
