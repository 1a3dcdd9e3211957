#include "actors/supervision/dead_letter_messages.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/json.hpp"
#include "tests/actors/tool/tool_ground.hpp"

using namespace troupe;
using namespace troupe::test;

using fixture = tool_ground;

TEST_CASE("a tool answers with what its backend says") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once, R"({"id":1})");
  REQUIRE(f.backend->seen.size() == 1);
  CHECK(f.backend->seen[0].body == R"({"id":1})");
  CHECK(f.backend->seen[0].timeout == 3s);
  CHECK_FALSE(answer->reply);
  f.answer(0, R"({"ok":true})");

  REQUIRE(answer->reply);
  CHECK(answer->reply->outcome.value() == R"({"ok":true})");
  CHECK(answer->reply->attempts == 1);
  CHECK(f.stage.events.count("tool.attempt") == 1);
  CHECK(f.stage.events.count("tool.call") == 1);
}

TEST_CASE("a failure that may pass is tried again, with the same key, after a pause") {
  fixture f;

  auto answer = f.call(effect_class::idempotent);
  f.answer(0, lost());
  CHECK(f.backend->seen.size() == 1);
  f.stage.advance(250ms);
  REQUIRE(f.backend->seen.size() == 2);
  CHECK(f.backend->seen[1].key == f.backend->seen[0].key);
  CHECK(f.backend->seen[1].attempt == 2);
  f.answer(1, "1");

  CHECK(answer->reply->outcome.value() == "1");
  CHECK(answer->reply->attempts == 2);
}

TEST_CASE("an at_most_once effect with a lost outcome is never sent again") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.answer(0, lost());
  f.stage.advance(60s, 1s);

  CHECK(f.backend->seen.size() == 1);
  CHECK(code_of(answer) == errc::unavailable);
  CHECK(certainty_of(answer) == certainty::unknown);
}

TEST_CASE("an at_most_once effect that surely did not happen is sent again") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.answer(0, error{errc::unavailable, "connection refused"});
  f.stage.advance(250ms);
  f.answer(1, "2");

  CHECK(answer->reply->outcome.value() == "2");
}

TEST_CASE("a definite error of the far side is the answer, at once") {
  fixture f;

  auto answer = f.call(effect_class::read);
  f.answer(0, error{errc::not_found, "no such ticket"});

  CHECK(code_of(answer) == errc::not_found);
  CHECK(certainty_of(answer) == certainty::definite);
}

TEST_CASE("an attempt that takes too long is stopped, and may have happened") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.stage.advance(2'995ms);
  CHECK_FALSE(answer->reply);
  f.stage.advance(5ms);

  CHECK(code_of(answer) == errc::timed_out);
  CHECK(certainty_of(answer) == certainty::unknown);
  CHECK(f.backend->cancelled == std::vector{f.backend->seen[0].id});
}

TEST_CASE("one deadline covers all attempts, and shortens the last") {
  fixture f{with([](auto& o) {
    o.retry.total_timeout = 5s;
    o.retry.attempts_max = 10;
    o.retry.backoff_base = 1ms;
  })};

  auto answer = f.call(effect_class::read);
  f.stage.advance(4s);
  REQUIRE(f.backend->seen.size() == 2);
  CHECK(f.backend->seen[1].timeout <= 2s);
  f.stage.advance(2s);

  CHECK(code_of(answer) == errc::deadline_exceeded);
  CHECK(certainty_of(answer) == certainty::unknown);
}

TEST_CASE("a caller's earlier deadline counts") {
  fixture f;

  auto r = f.request(effect_class::read);
  r.deadline = f.stage.clock.now() + 500ms;
  auto answer = f.stage.call(f.aut, r);
  f.stage.advance(505ms);
  CHECK(code_of(answer) == errc::deadline_exceeded);

  auto late = f.request(effect_class::read);
  late.deadline = f.stage.clock.now();
  auto refused = f.stage.call(f.aut, late);
  CHECK(code_of(refused) == errc::deadline_exceeded);
  CHECK(certainty_of(refused) == certainty::definite);
  CHECK(f.backend->seen.size() == 1);
}

TEST_CASE("never more run than there are slots, never more wait than the queue is long") {
  fixture f{with([](auto& o) {
    o.concurrent = 2;
    o.queue = 1;
  })};

  auto first = f.call(effect_class::read);
  auto second = f.call(effect_class::read);
  auto third = f.call(effect_class::read);
  auto fourth = f.call(effect_class::read);

  CHECK(f.backend->seen.size() == 2);
  CHECK(code_of(fourth) == errc::overloaded);
  CHECK(fourth->reply->outcome.error().retry_after >= 100ms);
  CHECK(certainty_of(fourth) == certainty::definite);

  f.answer(0, "1");
  CHECK(first->reply);
  REQUIRE(f.backend->seen.size() == 3);
  f.answer(2, "3");
  CHECK(third->reply->outcome.value() == "3");
}

TEST_CASE("an attempt that was given up keeps its slot until its backend says that it is over") {
  fixture f{with([](auto& o) {
    o.retry.attempts_max = 1;
    o.concurrent = 1;
  })};

  auto hanging = f.call(effect_class::read);
  f.stage.advance(3s);
  CHECK(code_of(hanging) == errc::timed_out);
  auto next = f.call(effect_class::read);
  CHECK(f.backend->seen.size() == 1);

  f.answer(0, lost());
  CHECK(f.backend->seen.size() == 2);
  f.answer(1, "ok");
  CHECK(next->reply);
}

TEST_CASE("a call that waits for its turn gives up at its deadline") {
  fixture f{with([](auto& o) {
    o.retry.timeout = o.retry.total_timeout = 20s;
    o.concurrent = 1;
  })};
  auto running = f.call(effect_class::read);

  auto r = f.request(effect_class::at_most_once);
  r.deadline = f.stage.clock.now() + 1s;
  auto waiting = f.stage.call(f.aut, r);
  f.stage.advance(1s);

  CHECK(code_of(waiting) == errc::deadline_exceeded);
  CHECK(certainty_of(waiting) == certainty::definite);
  CHECK_FALSE(running->reply);
}

TEST_CASE("cancelling reaches the backend, and what it says is the answer") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.stage.tell(f.aut, call_cancel{f.last_id});
  REQUIRE(f.backend->cancelled.size() == 1);
  CHECK_FALSE(answer->reply);
  f.answer(0, error{errc::cancelled, "nothing was sent"});

  CHECK(code_of(answer) == errc::cancelled);
  CHECK(certainty_of(answer) == certainty::definite);
}

TEST_CASE("an effect that happened in spite of a cancellation is not called cancelled") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.stage.tell(f.aut, call_cancel{f.last_id});
  f.answer(0, "7");

  CHECK(answer->reply->outcome.value() == "7");
}

TEST_CASE("a backend that ignores a cancellation is not waited for") {
  fixture f;

  auto answer = f.call(effect_class::at_most_once);
  f.stage.tell(f.aut, call_cancel{f.last_id});
  f.stage.advance(1s);

  CHECK(code_of(answer) == errc::cancelled);
  CHECK(certainty_of(answer) == certainty::unknown);
}

TEST_CASE("cancelling ends a call that waits for its turn or between two attempts") {
  fixture f{with([](auto& o) { o.concurrent = 1; })};
  auto pausing = f.call(effect_class::read);
  f.answer(0, error{errc::unavailable, "down"});
  f.stage.tell(f.aut, call_cancel{f.last_id});
  CHECK(code_of(pausing) == errc::cancelled);

  auto running = f.call(effect_class::read);
  auto queued = f.call(effect_class::read);
  f.stage.tell(f.aut, call_cancel{f.last_id});
  CHECK(code_of(queued) == errc::cancelled);
  CHECK_FALSE(running->reply);
}

TEST_CASE("a tool that is killed while calls are suspended answers all of them") {
  fixture f{with([](auto& o) { o.concurrent = 1; })};
  auto running = f.call(effect_class::at_most_once);
  auto waiting = f.call(effect_class::at_most_once);

  f.stage.end(f.aut, caf::exit_reason::kill);

  CHECK(code_of(running) == errc::unavailable);
  CHECK(certainty_of(running) == certainty::unknown);
  CHECK(code_of(waiting) == errc::unavailable);
  CHECK(certainty_of(waiting) == certainty::definite);
  CHECK(f.backend->cancelled.size() == 1);
  f.answer(0, "too late"); // finds nobody
}

TEST_CASE("a tool that is stopped while a call pauses remembers that it may have happened") {
  fixture f;
  auto pausing = f.call(effect_class::idempotent);
  f.answer(0, lost());

  f.stage.end(f.aut, caf::exit_reason::user_shutdown);

  CHECK(certainty_of(pausing) == certainty::unknown);
}

TEST_CASE("arguments are held to the schema before anything is sent") {
  fixture f{with([](auto& o) {
    o.input_schema = R"({"type":"object","required":["id"],)"
                     R"("properties":{"id":{"type":"integer"}}})";
  })};

  auto refused = f.call(effect_class::at_most_once, R"({"id":"seven"})");
  auto taken = f.call(effect_class::at_most_once, R"({"id":7})");

  CHECK(code_of(refused) == errc::invalid_input);
  CHECK(certainty_of(refused) == certainty::definite);
  CHECK_FALSE(taken->reply);
  CHECK(f.backend->seen.size() == 1);
}

TEST_CASE("a tool with an impossible schema is not started") {
  actor_stage stage;
  tool_options options;
  options.input_schema = R"({"type":7})";

  auto started = spawn_tool(stage.system(), {.env = stage.env,
                                             .options = options,
                                             .parts = {std::make_shared<held_backend>(), nullptr},
                                             .timer = stage.timer});

  REQUIRE_FALSE(started);
  CHECK(started.error().code == errc::invalid_input);
}

TEST_CASE("an exception costs its call, not the actor, a call that always throws is set aside") {
  fixture f;
  auto throwing = std::make_shared<throwing_backend>();
  f.start({throwing, nullptr});
  auto poison = f.request(effect_class::at_most_once);

  for (int i = 0; i < 3; ++i) {
    auto answer = f.stage.call(f.aut, poison);
    CHECK(code_of(answer) == errc::internal);
    CHECK(certainty_of(answer) == certainty::unknown);
  }
  auto fourth = f.stage.call(f.aut, poison);
  auto other = f.call(effect_class::read);

  CHECK(code_of(fourth) == errc::internal);
  CHECK(code_of(other) == errc::internal);
  CHECK(throwing->starts == 4); // three, and the other
  CHECK(f.stage.events.count("tool.dead_letter") == 1);
}

TEST_CASE("a restarted tool goes on with its budget and its dead letters") {
  fixture f;
  auto states = std::make_shared<std::vector<std::string>>();
  auto supervisor = f.stage.keep(f.stage.system().spawn([states](caf::event_based_actor*) {
    return caf::behavior{[states](const save_checkpoint& s) { states->push_back(s.state); }};
  }));
  auto throwing = std::make_shared<throwing_backend>();
  tool_setup setup{.env = f.stage.env,
                   .options = f.options,
                   .parts = {throwing, nullptr},
                   .timer = f.stage.timer,
                   .supervisor = supervisor,
                   .child_id = "tools.desk"};
  auto first = spawn_tool(f.stage.system(), setup).value();
  auto poison = f.request(effect_class::read);
  for (int i = 0; i < 3; ++i)
    f.stage.call(first, poison);
  f.stage.end(first, caf::exit_reason::user_shutdown);

  REQUIRE_FALSE(states->empty());
  setup.checkpoint = states->back();
  auto second = f.stage.keep(spawn_tool(f.stage.system(), setup).value());
  auto answer = f.stage.call(second, poison);

  CHECK(throwing->starts == 3);
  CHECK(code_of(answer) == errc::internal);
}

TEST_CASE("reconcile asks the reconciler, and passes on its three answers") {
  fixture f{{}, true};
  auto ask = [&] {
    reconcile_request r;
    r.service = "tool:desk";
    r.key = "k-1";
    r.body = R"({"id":1})";
    return f.stage.ask<reconcile_reply>(f.aut, r);
  };
  auto say = [&](std::size_t nth, std::string text) {
    f.reconciler->answer(nth, std::move(text));
    f.stage.run();
  };

  auto done = ask();
  CHECK(f.reconciler->seen[0].key == "k-1");
  say(0, R"({"state":"done","result":{"n":1}})");
  CHECK(done->reply->state == reconcile_state::done);
  CHECK(done->reply->body == R"({"n":1})");

  auto not_done = ask();
  say(1, R"({"state":"not_done"})");
  CHECK(not_done->reply->state == reconcile_state::not_done);

  auto unknown = ask();
  say(2, R"({"state":"unknown"})");
  CHECK(unknown->reply->state == reconcile_state::unknown);

  auto odd = ask();
  say(3, R"([1])");
  CHECK(odd->reply->state == reconcile_state::unknown);
}

TEST_CASE("a reconciler that does not answer is asked again, then nobody knows") {
  fixture f{{}, true};
  reconcile_request r;
  r.key = "k-1";
  auto answer = f.stage.ask<reconcile_reply>(f.aut, r);

  f.stage.advance(30s, 20ms);

  REQUIRE(answer->reply);
  CHECK(answer->reply->state == reconcile_state::unknown);
  CHECK(f.reconciler->seen.size() == 3);
}

TEST_CASE("another tool can be the reconciler") {
  fixture f{with([](auto& o) { o.reconcile.tool = "ledger"; })};
  auto asked = std::make_shared<call_request>();
  auto ledger = f.stage.keep(f.stage.system().spawn([asked](caf::event_based_actor*) {
    return caf::behavior{[asked](call_request& r) {
      *asked = r;
      call_reply reply;
      reply.outcome = std::string{R"({"state":"done","result":5})"};
      return reply;
    }};
  }));
  f.stage.services.put("tool:ledger", ledger, {});

  reconcile_request r;
  r.key = "k-1";
  r.body = R"({"id":1})";
  auto answer = f.stage.ask<reconcile_reply>(f.aut, r);

  CHECK(answer->reply->state == reconcile_state::done);
  CHECK(answer->reply->body == "5");
  CHECK(asked->body == R"({"idempotency_key":"k-1","arguments":{"id":1}})");
}

TEST_CASE("a full mailbox is answered, not filled further") {
  fixture f{with([](auto& o) {
    o.concurrent = 1;
    o.queue = tool_mailbox_max;
  })};
  std::vector<awaited_ptr<call_reply>> answers;
  auto one = std::make_shared<std::uint32_t>(0);
  auto refused = std::make_shared<std::uint32_t>(0);
  f.stage.system().spawn([&, one, refused](caf::event_based_actor* self) {
    for (std::uint32_t i = 0; i < tool_mailbox_max + 10; ++i)
      self->request(f.aut, caf::infinite, f.request(effect_class::read))
        .then([one, refused](const call_reply& r) {
          ++*one;
          if (!r.outcome && r.outcome.error().code == errc::overloaded)
            ++*refused;
        }, [](const caf::error&) {});
  });

  f.stage.run();

  CHECK(*refused == 10);
  CHECK(*one == 10);
}

TEST_CASE("ten thousand calls in a row leave nothing behind") {
  fixture f;
  for (std::size_t i = 0; i < 10'000; ++i) {
    auto answer = f.call(effect_class::at_most_once);
    f.answer(i, "1");
    REQUIRE(answer->reply);
  }
  CHECK(f.backend->dones.empty());
}

namespace {

/// Takes the letters that services file.
std::shared_ptr<std::vector<file_letter>> open_office(actor_stage& stage) {
  auto letters = std::make_shared<std::vector<file_letter>>();
  auto office = stage.keep(stage.system().spawn([letters](caf::event_based_actor*) {
    return caf::behavior{[letters](file_letter& f) { letters->push_back(f); }};
  }));
  stage.services.put(std::string{dead_letter_office}, office, {});
  return letters;
}

} // namespace

TEST_CASE("a call that is set aside is filed, refused in the next process, and taken again") {
  fixture f;
  auto letters = open_office(f.stage);
  auto throwing = std::make_shared<throwing_backend>();
  f.start({throwing, nullptr});
  auto poison = [&] {
    auto r = f.request(effect_class::at_most_once);
    r.key = "poison";
    auto answer = f.stage.call(f.aut, r);
    f.stage.run();
    return answer;
  };
  for (int i = 0; i < 4; ++i)
    poison();
  CHECK(throwing->starts == 3);
  REQUIRE(letters->size() == 1);
  CHECK(letters->front().what.kind == store::letter_kind::poisoned);
  CHECK(letters->front().what.key == "poison");
  CHECK(letters->front().what.subject == "tool:desk");
  CHECK(letters->front().what.why == "a bug");

  f.stage.tell(f.aut, forgive_call{"poison"});
  poison();
  CHECK(throwing->starts == 4);

  f.stage.tell(f.aut, set_aside{"other"});
  auto r = f.request(effect_class::at_most_once);
  r.key = "other";
  auto refused = f.stage.call(f.aut, r);
  CHECK(throwing->starts == 4);
  CHECK(refused->reply->outcome.error().message.find("set aside") != std::string::npos);
}

TEST_CASE("expired mail is refused, filed and never attempted") {
  fixture f;
  auto letters = open_office(f.stage);
  auto r = f.request(effect_class::at_most_once);
  r.deadline = f.stage.clock.now() - 1s;

  auto late = f.stage.call(f.aut, r);

  CHECK(late->reply->outcome.error().code == errc::deadline_exceeded);
  CHECK(f.backend->seen.empty());
  REQUIRE(letters->size() == 1);
  CHECK(letters->front().what.kind == store::letter_kind::expired);
}
