#include "actors/guard/breaker_actor.hpp"

#include "actors/guard/breaker_messages.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

/// A breaker with its actor, and calls that go through it.
struct ground {
  actor_stage stage;
  std::shared_ptr<std::vector<std::string>> saved = std::make_shared<std::vector<std::string>>();
  std::shared_ptr<breaker> state
    = std::make_shared<breaker>("tool:desk", breaker_options{}, 2'400ms, stage.env);
  caf::actor supervisor;
  caf::actor aut;

  ground() {
    supervisor = stage.keep(stage.system().spawn([saved = saved](caf::event_based_actor*) {
      return caf::behavior{[saved](const save_checkpoint& s) { saved->push_back(s.state); }};
    }));
    start({});
  }

  void start(std::string checkpoint) {
    breaker_setup setup{state, stage.env, stage.timer, supervisor, "breakers.tools.desk",
                        std::move(checkpoint)};
    aut = stage.keep(spawn_breaker(stage.system(), std::move(setup)));
    stage.run();
  }
  void trip() {
    error why{errc::unavailable, "down"};
    for (int i = 0; i < 10; ++i)
      state->report(*state->acquire(1s), &why, 0ms);
    stage.run();
  }
  breaker_info info() { return *stage.ask<breaker_reply>(aut, breaker_query{})->reply->info; }
  breaker_info order(breaker_order what) {
    return *stage.ask<breaker_reply>(aut, breaker_command{what})->reply->info;
  }
};

/// Borrows permits and keeps them until it ends.
caf::actor borrower(actor_stage& stage, const caf::actor& from, int n,
                    const std::shared_ptr<int>& got) {
  auto one = stage.system().spawn([=](caf::event_based_actor* self) {
    for (int i = 0; i < n; ++i)
      self->request(from, caf::infinite, permit_request{1h})
        .then([got](const permit_reply& r) { *got += r.permit ? 1 : 0; },
              [](const caf::error&) {});
    return caf::behavior{[](caf::unit_t) {}};
  });
  stage.run();
  return one;
}

} // namespace

TEST_CASE("a breaker's actor tells how it stands, and does what a person says") {
  ground g;
  g.trip();
  CHECK(g.info().state == "open");
  CHECK(g.info().retry_after_ms >= 29'000);

  CHECK(g.order(breaker_order::self).state == "closed");
  CHECK(g.order(breaker_order::open).state == "forced_open");
  CHECK(g.state->refusal());
  CHECK(g.order(breaker_order::close).state == "disabled");
  CHECK(g.state->acquire(1s));
}

TEST_CASE("an open breaker becomes half_open by itself when its time is over") {
  ground g;
  g.trip();

  g.stage.advance(36s, 100ms);

  CHECK(g.stage.events.count("breaker.changed") == 2);
  CHECK(g.info().state == "half_open");
}

TEST_CASE("a permit that was lent ends with the death of its borrower") {
  ground g;
  g.trip();
  g.stage.advance(36s, 100ms);
  auto got = std::make_shared<int>(0);
  auto one = borrower(g.stage, g.aut, 5, got);
  CHECK(*got == 3);
  CHECK(g.state->refusal());

  g.stage.end(one, caf::exit_reason::kill);

  CHECK_FALSE(g.state->refusal());
  auto another = g.stage.keep(borrower(g.stage, g.aut, 5, got));
  CHECK(*got == 6);
}

TEST_CASE("results may come as messages, too") {
  ground g;
  g.trip();
  g.stage.advance(36s, 100ms);
  g.stage.keep(g.stage.system().spawn([&g](caf::event_based_actor* self) {
    for (int i = 0; i < 3; ++i)
      self->request(g.aut, caf::infinite, permit_request{})
        .then([self, &g](const permit_reply& r) {
          if (r.permit)
            self->send(g.aut, permit_result{*r.permit, {}, 1ms});
        }, [](const caf::error&) {});
    return caf::behavior{[](caf::unit_t) {}};
  }));
  g.stage.run();

  CHECK(g.info().state == "closed");
}

TEST_CASE("a breaker's state survives its actor, and its checkpoint survives both") {
  ground g;
  g.trip();
  g.stage.end(g.aut, caf::exit_reason::kill);
  g.start(g.saved->back());
  CHECK(g.info().state == "open");

  g.stage.end(g.aut, caf::exit_reason::kill);
  g.state = std::make_shared<breaker>("tool:desk", breaker_options{}, 2'400ms, g.stage.env);
  g.start(g.saved->back());
  CHECK(g.info().state == "open");
  g.stage.advance(36s, 100ms);
  CHECK(g.info().state == "half_open");
}
