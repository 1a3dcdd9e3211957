// A tool with all its guards: breaker, bulkhead, shedding, cancellation.
#include "tests/actors/tool/tool_ground.hpp"

using namespace troupe;
using namespace troupe::test;

// -- breaker --------------------------------------------------------------------------------------

TEST_CASE("a tool that fails opens its breaker, further calls are refused at once") {
  tool_ground f{once()};
  calls(f, 10, down());

  auto refused = f.call(effect_class::at_most_once);

  CHECK(f.backend->seen.size() == 10);
  CHECK(code_of(refused) == errc::circuit_open);
  CHECK(certainty_of(refused) == certainty::definite);
  CHECK(refused->reply->outcome.error().retry_after > 0s);
  CHECK(f.stage.events.count("breaker.changed") == 1);
}

TEST_CASE("a process that has stood still holds nothing against a tool that it did not hear") {
  tool_ground f{once()};
  std::vector<decltype(f.call(effect_class::at_most_once))> in_flight;
  for (int i = 0; i < 20; ++i)
    in_flight.push_back(f.call(effect_class::at_most_once));

  f.stage.advance(10s, 10s); // all timeouts are over at once

  for (const auto& c : in_flight)
    CHECK(code_of(c) == errc::timed_out);
  CHECK(f.stage.events.count("breaker.changed") == 0);
  calls(f, 10, down());
  CHECK(f.stage.events.count("breaker.changed") == 1);
}

TEST_CASE("a breaker lets probes through after its time, and closes when they go well") {
  tool_ground f{once()};
  calls(f, 10, down());

  f.stage.advance(36s, 1s);
  calls(f, 2, std::string{"1"});
  calls(f, 20, std::string{"1"});

  CHECK(f.stage.events.count("breaker.changed") == 3);
}

TEST_CASE("what waits for a slot does not wait for a tool whose breaker opens") {
  tool_ground f{once_with([](auto& o) { o.concurrent = 10; })};
  std::vector<awaited_ptr<call_reply>> running;
  for (int i = 0; i < 10; ++i)
    running.push_back(f.call(effect_class::read));
  auto first = f.call(effect_class::read);
  auto second = f.call(effect_class::read);

  f.stage.advance(3s); // all ten hang; their slots stay taken

  CHECK(code_of(running[0]) == errc::timed_out);
  CHECK_FALSE(first->reply);
  f.answer(0, lost());
  CHECK(code_of(first) == errc::circuit_open);
  CHECK(code_of(second) == errc::circuit_open);
  CHECK(f.backend->seen.size() == 10);
}

TEST_CASE("a retry that the breaker would refuse is not waited for, the failure is the answer") {
  tool_ground f;
  std::vector<awaited_ptr<call_reply>> answers;
  for (int i = 0; i < 10; ++i)
    answers.push_back(f.call(effect_class::read));
  for (std::size_t i = 0; i < 10; ++i)
    f.answer(i, down());

  CHECK(code_of(answers.back()) == errc::unavailable);
  CHECK(answers.back()->reply->attempts == 1);
  f.stage.advance(1s);
  CHECK(code_of(answers.front()) == errc::circuit_open);
}

TEST_CASE("a no of the far side, a rate limit and a cancellation open no breaker") {
  tool_ground f{once()};

  calls(f, 30, error{errc::not_found, "no such ticket"});
  calls(f, 30, error{errc::rate_limited, "429"});
  for (int i = 0; i < 30; ++i) {
    auto answer = f.call(effect_class::read);
    f.stage.tell(f.aut, call_cancel{f.last_id});
    f.answer(f.backend->seen.size() - 1, error{errc::cancelled, "stopped"});
  }

  CHECK(f.stage.events.count("breaker.changed") == 0);
}

TEST_CASE("a reconcile is asked whatever the breaker says") {
  tool_ground f{once(), true};
  calls(f, 10, down());

  reconcile_request r;
  r.key = "k-1";
  auto answer = f.stage.ask<reconcile_reply>(f.aut, r);
  f.reconciler->answer(0, std::string{R"({"state":"not_done"})"});
  f.stage.run();

  CHECK(answer->reply->state == reconcile_state::not_done);
}

TEST_CASE("a breaker keeps its state when the tool behind it is restarted") {
  tool_ground f;
  auto guards = make_tool_guards(f.options, f.stage.env);
  tool_setup setup{.env = f.stage.env,
                   .options = once_with([](auto& o) { o.name = "desk"; }),
                   .parts = {f.backend, nullptr},
                   .timer = f.stage.timer,
                   .guards = guards};
  f.aut = spawn_tool(f.stage.system(), setup).value();
  calls(f, 10, down());
  f.stage.end(f.aut, caf::exit_reason::kill);

  f.aut = f.stage.keep(spawn_tool(f.stage.system(), setup).value());
  auto refused = f.call(effect_class::read);

  CHECK(code_of(refused) == errc::circuit_open);
}

TEST_CASE("fault 51, half-open stampede: of a thousand callers after an outage three go through") {
  tool_ground f{once_with([](auto& o) {
    o.concurrent = 1'000;
    o.queue = 1'000;
  })};
  calls(f, 10, down());
  f.stage.advance(36s, 1s);
  auto before = f.backend->seen.size();

  std::vector<awaited_ptr<call_reply>> answers;
  for (int i = 0; i < 1'000; ++i)
    answers.push_back(f.call(effect_class::read));

  CHECK(f.backend->seen.size() == before + 3);
  auto refused = std::count_if(answers.begin(), answers.end(), [](const auto& a) {
    return code_of(a) == errc::circuit_open;
  });
  CHECK(refused == 997);
  for (std::size_t i = 0; i < 3; ++i)
    f.answer(before + i, std::string{"1"});
  calls(f, 100, std::string{"1"});
}

TEST_CASE("fault 40, slow-loris tool: it holds its own callers for a timeout and nobody else") {
  auto options = once_with([](auto& o) { o.queue = 100; });
  tool_ground slow{options};
  auto brisk_backend = std::make_shared<held_backend>();
  auto brisk_options = options;
  brisk_options.name = "brisk";
  auto brisk = slow.stage.keep(spawn_tool(slow.stage.system(), {.env = slow.stage.env,
                                                               .options = brisk_options,
                                                               .parts = {brisk_backend, nullptr},
                                                               .timer = slow.stage.timer})
                                 .value());

  std::vector<awaited_ptr<call_reply>> stuck;
  for (int i = 0; i < 125; ++i)
    stuck.push_back(slow.call(effect_class::read)); // 25 run, 100 wait, and it never answers
  auto fine = slow.stage.call(brisk, slow.request(effect_class::read));
  brisk_backend->answer(0, std::string{"1"});
  slow.stage.run();
  CHECK(fine->reply->outcome.value() == "1");
  slow.stage.advance(3s);
  for (std::size_t i = 0; i < 25; ++i) // its sockets are closed
    slow.answer(i, lost());

  CHECK(slow.backend->seen.size() == 25);
  for (const auto& one : stuck)
    CHECK(one->reply);
  CHECK(code_of(stuck.front()) == errc::timed_out);
  CHECK(code_of(stuck.back()) == errc::circuit_open);
  CHECK(code_of(slow.call(effect_class::read)) == errc::circuit_open);
}

// -- bulkhead -------------------------------------------------------------------------------------

TEST_CASE("a tool call whose turn would come after its deadline is refused at once") {
  tool_ground f{once_with([](auto& o) {
    o.concurrent = 1;
    o.retry.timeout = o.retry.total_timeout = 20s;
  })};
  auto measured = f.call(effect_class::read);
  f.stage.advance(2s);
  f.answer(0, std::string{"1"});
  auto running = f.call(effect_class::read);

  auto r = f.request(effect_class::at_most_once);
  r.deadline = f.stage.clock.now() + 1s;
  auto hopeless = f.stage.call(f.aut, r);
  r.id = ++f.last_id;
  r.deadline = f.stage.clock.now() + 5s;
  auto hopeful = f.stage.call(f.aut, r);

  CHECK(code_of(hopeless) == errc::deadline_exceeded);
  CHECK(certainty_of(hopeless) == certainty::definite);
  CHECK(hopeless->reply->outcome.error().retry_after >= 100ms);
  CHECK_FALSE(hopeful->reply);
}

TEST_CASE("fault 47, mailbox flood: each caller has an answer, and work goes on") {
  tool_ground f{once()};
  constexpr std::uint32_t callers = 3 * tool_mailbox_max;
  std::map<errc, std::uint32_t> answers;
  f.stage.system().spawn([&](caf::event_based_actor* self) {
    for (std::uint32_t i = 0; i < callers; ++i)
      self->request(f.aut, caf::infinite, f.request(effect_class::read))
        .then([&](const call_reply& r) {
          ++answers[r.outcome ? errc::none : r.outcome.error().code];
        }, [](const caf::error&) {});
  });
  f.stage.run();
  CHECK(answers[errc::overloaded] == callers - 125);

  for (std::size_t i = 0; i < 125; ++i)
    f.answer(i, std::string{"1"});
  CHECK(answers[errc::none] == 125);
  calls(f, 10, std::string{"1"});
}

// -- cancellation ---------------------------------------------------------------------------------

TEST_CASE("fault 50, cancel races completion: one answer, which says what has happened") {
  // The cancellation is in the mailbox when the backend answers, and the other way round.
  for (bool cancel_first : {true, false}) {
    tool_ground f;
    auto answer = f.call(effect_class::at_most_once);
    auto cancel = [&] { caf::anon_send(f.aut, call_cancel{f.last_id}); };
    if (cancel_first)
      cancel();
    f.backend->answer(0, std::string{R"("charged")"});
    if (!cancel_first)
      cancel();
    f.stage.run();

    REQUIRE(answer->reply);
    CHECK(answer->reply->outcome.value() == R"("charged")");
    CHECK(f.stage.events.count("tool.call") == 1);
  }
}
