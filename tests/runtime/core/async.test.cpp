// The coroutine of service actors: flat, owned by its scope, and nothing left behind.
#include "runtime/core/async.hpp"
#include "tests/support/catch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct question {
  int n = 0;
};
struct reply {
  int n = 0;
};
struct begin {};

} // namespace

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(question)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(begin)

namespace {

struct settings : caf::actor_system_config {
  settings() { set("scheduler.policy", caf::atom("testing")); }
};

struct ground {
  settings config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
    dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
};

struct witness {
  static inline int alive = 0;
  witness() { ++alive; }
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;
  ~witness() { --alive; }
};

caf::behavior echo() {
  return {[](const question& q) { return reply{q.n + 1}; }};
}

/// What the tests see of an asker.
struct seen {
  long sum = 0;
  bool ended = false;
  std::string thrown;
  result<reply> last;
};

class asker final : public caf::event_based_actor {
public:
  using body = async<void> (*)(asker*, seen*);

  asker(caf::actor_config& cfg, caf::actor to, seen* out, body b)
    : caf::event_based_actor(cfg), peer(std::move(to)), out_(out), body_(b) {}

  void on_exit() override {
    scope_.clear();
    peer = nullptr;
  }
  std::size_t running() const { return scope_.size(); }

  caf::actor peer;

protected:
  caf::behavior make_behavior() override {
    scope_.on_throw = [this](std::exception_ptr e) {
      try {
        std::rethrow_exception(e);
      } catch (const std::exception& what) {
        out_->thrown = what.what();
      }
    };
    return {[this](begin) { scope_.spawn(body_(this, out_)); }};
  }

private:
  seen* out_;
  body body_;
  scope scope_;
};

void play(ground& g, const caf::actor& peer, seen& out, asker::body b,
          const std::function<void(const caf::actor&)>& meanwhile = {}) {
  auto a = g.system.spawn<asker>(peer, &out, b);
  caf::anon_send(a, begin{});
  g.scheduler.run();
  if (meanwhile)
    meanwhile(a);
  caf::anon_send_exit(a, caf::exit_reason::kill);
  caf::anon_send_exit(peer, caf::exit_reason::kill);
  g.scheduler.run();
}

async<int> next(asker* self, int n) {
  witness w;
  auto q = question{n};
  auto r = co_await ask<reply>(self, self->peer, 3s, q);
  co_return r ? r->n : -1;
}

async<int> nothing(int n) {
  co_return n;
}

async<int> deep(asker* self, int n) {
  witness w;
  if (n == 0)
    co_return co_await next(self, 0);
  auto below = co_await deep(self, n - 1);
  co_return below + 1;
}

async<int> throws(int n) {
  witness w;
  if (n == 0)
    throw std::runtime_error{"from the bottom"};
  co_return co_await throws(n - 1);
}

} // namespace

TEST_CASE("a million asks leave the stack flat", "[async]") {
  ground g;
  seen out;
  play(g, g.system.spawn(echo), out, [](asker* self, seen* s) -> async<void> {
    for (int i = 0; i < 1'000'000; ++i) {
      auto q = question{0};
      auto r = co_await ask<reply>(self, self->peer, 3s, q);
      s->sum += r ? r->n : 0;
    }
    s->ended = true;
  });
  CHECK(out.sum == 1'000'000);
  CHECK(out.ended);
}

TEST_CASE("a million nested coroutines leave the stack flat", "[async]") {
  ground g;
  seen out;
  play(g, g.system.spawn(echo), out, [](asker*, seen* s) -> async<void> {
    for (int i = 0; i < 1'000'000; ++i)
      s->sum += co_await nothing(1);
    s->ended = true;
  });
  CHECK(out.sum == 1'000'000);
}

TEST_CASE("coroutines of an actor nest ten thousand deep", "[async]") {
  ground g;
  seen out;
  play(g, g.system.spawn(echo), out, [](asker* self, seen* s) -> async<void> {
    s->sum = co_await deep(self, 10'000);
  });
  CHECK(out.sum == 10'001);
  CHECK(witness::alive == 0);
}

TEST_CASE("an actor killed while its coroutines wait leaves nothing alive", "[async]") {
  ground g;
  seen out;
  auto silent = g.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const question&) { return self->make_response_promise(); }};
  });
  play(g, silent, out,
       [](asker* self, seen* s) -> async<void> {
         s->sum = co_await deep(self, 10'000);
         s->ended = true;
       },
       [](const caf::actor&) { CHECK(witness::alive == 10'002); });
  CHECK(witness::alive == 0);
  CHECK_FALSE(out.ended);
}

TEST_CASE("an exception in a coroutine reaches its actor", "[async]") {
  ground g;
  seen out;
  play(g, g.system.spawn(echo), out, [](asker*, seen* s) -> async<void> {
    s->sum = co_await throws(100);
  });
  CHECK(out.thrown == "from the bottom");
  CHECK(witness::alive == 0);
}

TEST_CASE("an ask of an actor that is down fails at once", "[async]") {
  ground g;
  seen out;
  auto gone = g.system.spawn(echo);
  caf::anon_send_exit(gone, caf::exit_reason::kill);
  g.scheduler.run();
  play(g, gone, out, [](asker* self, seen* s) -> async<void> {
    auto q = question{1};
    s->last = co_await ask<reply>(self, self->peer, 3s, q);
    s->ended = true;
  });
  REQUIRE(out.ended);
  CHECK(out.last.error().code == errc::unavailable);
}

TEST_CASE("an ask that nobody answers times out, with an unknown outcome", "[async]") {
  ground g;
  seen out;
  auto silent = g.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const question&) { return self->make_response_promise(); }};
  });
  play(g, silent, out,
       [](asker* self, seen* s) -> async<void> {
         auto q = question{1};
         s->last = co_await ask<reply>(self, self->peer, 3s, q);
         s->ended = true;
       },
       [&](const caf::actor&) {
         g.scheduler.advance_time(3s);
         g.scheduler.run();
       });
  REQUIRE(out.ended);
  CHECK(out.last.error().code == errc::timed_out);
  CHECK(out.last.error().outcome == certainty::unknown);
}
