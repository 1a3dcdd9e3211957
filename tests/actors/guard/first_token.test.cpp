#include "actors/guard/first_token.hpp"

#include "actors/guard/rate_limiter.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const steady_time start = steady_time{} + 1'000h;

/// A server whose answers begin after 200 ms as long as ten are in flight, and later in proportion
/// when there are more. It refuses nothing.
class queueing_server {
public:
  explicit queueing_server(rate_limit_options o) : limiter_(o, 1) {}

  /// Plays for a while, with always more to do than is let go.
  void play(std::chrono::seconds time) {
    for (auto until = now_ + time; now_ < until; now_ += 10ms) {
      while (limiter_.waiting() < 100) {
        rate_claim c;
        c.agent = "a";
        REQUIRE(limiter_.enqueue(++last_, c, now_).has_value());
      }
      for (const auto& d : limiter_.step(now_))
        open_.push_back({d.id, now_, now_ + begins_after()});
      std::erase_if(open_, [&](const request& r) {
        if (r.begins + 300ms > now_)
          return false;
        rate_end end;
        end.first_token = r.begins - r.sent;
        limiter_.finish(r.id, end, now_);
        return true;
      });
    }
  }
  std::size_t in_flight() const { return limiter_.in_flight(); }
  double window() const { return limiter_.keys()[0].window(); }

  std::chrono::milliseconds quick{200};
  int capacity = 10;

private:
  std::chrono::milliseconds begins_after() {
    auto load = std::max<int>(static_cast<int>(open_.size()) + 1, capacity);
    auto prompt = std::chrono::milliseconds{rng_() % 40}; // they differ in length
    return quick * load / capacity + prompt;
  }

  struct request {
    std::uint64_t id;
    steady_time sent, begins;
  };
  rate_limiter limiter_;
  steady_time now_ = start;
  std::mt19937 rng_{3};
  std::vector<request> open_;
  std::uint64_t last_ = 0;
};

rate_limit_options adaptive() {
  rate_limit_options o;
  o.concurrent = 64;
  o.adaptive = true;
  return o;
}

} // namespace

TEST_CASE("answers are late when they begin twice as late as usual") {
  first_token aut{2};
  for (int i = 0; i < 50; ++i)
    aut.heard(i % 2 == 0 ? 0.15 : 0.25, true);
  CHECK_FALSE(aut.slow());

  aut.heard(2, false); // one long prompt is no news
  CHECK_FALSE(aut.slow());
  for (int i = 0; i < 20; ++i)
    aut.heard(0.6, false);

  CHECK(aut.slow());
  CHECK(aut.usual() < 0.3);
}

TEST_CASE("lateness under load does not become usual however long it lasts") {
  first_token aut{2};
  for (int i = 0; i < 50; ++i)
    aut.heard(0.2, true);
  for (int i = 0; i < 10'000; ++i)
    aut.heard(1, false);
  CHECK(aut.slow());

  for (int i = 0; i < 20; ++i) // without load: the server has become slower for good
    aut.heard(1, true);

  CHECK_FALSE(aut.slow());
}

TEST_CASE("at zero no answer is ever late") {
  first_token aut{0};
  for (int i = 0; i < 20; ++i)
    aut.heard(i < 10 ? 0.1 : 10, i < 10);

  CHECK_FALSE(aut.slow());
}

TEST_CASE("an adaptive limiter sends no more than a server begins to answer in time") {
  queueing_server aut{adaptive()};

  aut.play(120s);

  // Twice as late as usual is at twice as many as the server has room for.
  INFO(aut.window());
  CHECK(aut.window() >= 8);
  CHECK(aut.window() <= 32);

  SECTION("and fewer when the server gets slower") {
    aut.capacity = 3;
    aut.play(15s);
    CHECK(aut.window() <= 12);
  }
  SECTION("and more when it gets faster") {
    auto before = aut.window();
    aut.capacity = 40;
    aut.play(60s);
    CHECK(aut.window() > before + 8);
  }
  SECTION("and it finds out anew when the server is slower for good") {
    aut.quick = 1s;
    aut.play(300s);
    CHECK(aut.window() >= 8);
    CHECK(aut.window() <= 32);
  }
}

TEST_CASE("without an eye on the first token an adaptive limiter sends all that is not refused") {
  auto o = adaptive();
  o.slow_first_token = 0;
  queueing_server aut{o};

  aut.play(120s);

  CHECK(aut.window() == 64);
}
