#include "runtime/core/timer.hpp"

#include "runtime/core/timer_queue.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

utc_time at(std::int64_t ms) {
  return utc_time{std::chrono::milliseconds{ms}};
}

using pairs = std::vector<std::pair<int, std::uint64_t>>;

/// Everything that is due at `now`, as (owner, id).
pairs all_due(timer_queue<int>& queue, utc_time now) {
  pairs out;
  while (auto next = queue.pop(now))
    out.emplace_back(next->who, next->id);
  return out;
}

/// Notes the ids of the timers that fire.
struct sleeper {
  using ids = std::vector<std::uint64_t>;
  std::shared_ptr<ids> fired = std::make_shared<ids>();
  std::shared_ptr<bool> ended = std::make_shared<bool>(false);
  caf::actor handle;

  explicit sleeper(actor_stage& stage) {
    handle = stage.keep(stage.system().spawn([f = fired, e = ended](caf::event_based_actor* self) {
      self->attach_functor([e] { *e = true; });
      return caf::behavior{[f](const timer_fired& t) { f->push_back(t.id); }};
    }));
  }
};

} // namespace

TEST_CASE("timers come up in the order of their due times, equals in the order of arming") {
  timer_queue<int> queue;
  queue.arm(1, 1, 10, at(30));
  queue.arm(2, 2, 20, at(10));
  queue.arm(3, 3, 30, at(30));

  CHECK(queue.earliest() == at(10));
  CHECK(all_due(queue, at(9)).empty());
  CHECK(all_due(queue, at(30)) == pairs{{2, 20}, {1, 10}, {3, 30}});
  CHECK(queue.earliest() == never);
}

TEST_CASE("a timer armed again with the same id replaces the first") {
  timer_queue<int> queue;
  queue.arm(1, 1, 5, at(10));
  queue.arm(1, 1, 5, at(20));

  CHECK(queue.size() == 1);
  CHECK(all_due(queue, at(15)).empty());
  CHECK(all_due(queue, at(20)).size() == 1);
}

TEST_CASE("what is disarmed does not come up, and does not fill the memory") {
  timer_queue<int> queue;
  for (std::uint64_t who = 0; who < 1'000; ++who)
    for (std::uint64_t id = 0; id < 10; ++id)
      queue.arm(who, 0, id, at(static_cast<std::int64_t>(100 + id)));

  for (std::uint64_t who = 1; who < 1'000; ++who)
    queue.disarm(who);
  queue.disarm(0, 3);

  CHECK(queue.size() == 9);
  CHECK(queue.held() <= 64);
  CHECK(all_due(queue, at(1'000)).size() == 9);
}

TEST_CASE("a timer fires when it is due, not before, and once") {
  actor_stage stage;
  sleeper s{stage};

  stage.tell(stage.timer, arm_timer{s.handle, 4, stage.clock.now() + 100ms});
  stage.advance(95ms);
  CHECK(s.fired->empty());
  stage.advance(5ms);
  CHECK(*s.fired == std::vector<std::uint64_t>{4});
  stage.advance(10s, 100ms);
  CHECK(s.fired->size() == 1);
}

TEST_CASE("a timer that is due already fires at once") {
  actor_stage stage;
  sleeper s{stage};

  stage.tell(stage.timer, arm_timer{s.handle, 4, stage.clock.now() + 1h});
  stage.tell(stage.timer, arm_timer{s.handle, 4, stage.clock.now() - 1h});

  CHECK(s.fired->size() == 1);
  stage.advance(2h, 30s);
  CHECK(s.fired->size() == 1);
}

TEST_CASE("an earlier timer is not held up by a later one that was armed first") {
  actor_stage stage;
  sleeper s{stage};

  stage.tell(stage.timer, arm_timer{s.handle, 1, stage.clock.now() + 50s});
  stage.tell(stage.timer, arm_timer{s.handle, 2, stage.clock.now() + 10ms});
  stage.advance(10ms);
  CHECK(*s.fired == std::vector<std::uint64_t>{2});

  stage.advance(50s, 500ms);
  CHECK(*s.fired == std::vector<std::uint64_t>{2, 1});
}

TEST_CASE("a UTC clock that is set forward makes timers due within a minute") {
  actor_stage stage;
  sleeper s{stage};
  stage.tell(stage.timer, arm_timer{s.handle, 1, stage.clock.now() + 24h});

  stage.clock.jump = 25h;
  stage.advance(61s, 500ms);

  CHECK(s.fired->size() == 1);
}

TEST_CASE("a UTC clock that is set back makes timers wait on") {
  actor_stage stage;
  sleeper s{stage};
  stage.tell(stage.timer, arm_timer{s.handle, 1, stage.clock.now() + 30s});

  stage.clock.jump = -60s;
  stage.advance(85s, 500ms);
  CHECK(s.fired->empty());
  stage.advance(10s, 500ms);
  CHECK(s.fired->size() == 1);
}

TEST_CASE("timers of an actor that disarmed them never fire") {
  actor_stage stage;
  sleeper s{stage};
  stage.tell(stage.timer, arm_timer{s.handle, 1, stage.clock.now() + 1s});
  stage.tell(stage.timer, arm_timer{s.handle, 2, stage.clock.now() + 2s});

  stage.tell(stage.timer, disarm_timers{s.handle.address()});
  stage.advance(5s, 100ms);

  CHECK(s.fired->empty());
}

TEST_CASE("an actor that asks for a timer too many is ended, not left to wait for ever") {
  actor_stage stage;
  auto timer = stage.keep(
    spawn_timer(stage.system(), stage.clock, stage.events, {.timers_max = 2}));
  sleeper first{stage};
  sleeper second{stage};

  stage.tell(timer, arm_timer{first.handle, 1, stage.clock.now() + 1s});
  stage.tell(timer, arm_timer{first.handle, 2, stage.clock.now() + 1s});
  stage.tell(timer, arm_timer{first.handle, 2, stage.clock.now() + 2s}); // replaces
  stage.tell(timer, arm_timer{second.handle, 1, stage.clock.now() + 1s});
  stage.advance(3s, 100ms);

  CHECK(*second.ended);
  CHECK_FALSE(*first.ended);
  CHECK(first.fired->size() == 2);
  CHECK(stage.events.count("timer.full") == 1);
}

TEST_CASE("a hundred thousand timers of one actor fire in order") {
  actor_stage stage;
  sleeper s{stage};
  constexpr std::uint64_t count = 100'000;
  for (std::uint64_t i = 0; i < count; ++i)
    caf::anon_send(stage.timer,
                   arm_timer{s.handle, i, stage.clock.now() + 1s + 1us * (i * 7919 % count)});

  stage.advance(2s, 250ms);

  REQUIRE(s.fired->size() == count);
  CHECK(s.fired->front() == 0);
  CHECK((s.fired->back() * 7919) % count == count - 1);
}

TEST_CASE("a hundred thousand sleepers are woken, each by its own timer") {
  timer_queue<int> queue;
  constexpr std::uint64_t count = 100'000;
  for (std::uint64_t who = 0; who < count; ++who)
    queue.arm(who, static_cast<int>(who), 1, at(static_cast<std::int64_t>(who * 7919 % count)));
  for (std::uint64_t who = 0; who < count; who += 2)
    queue.disarm(who);

  auto fired = all_due(queue, at(static_cast<std::int64_t>(count)));

  CHECK(fired.size() == count / 2);
  CHECK(queue.size() == 0);
  CHECK(queue.earliest() == never);
}
