#include "actors/guard/breaker_state.hpp"

#include "tests/support/catch.hpp"

#include <random>
#include <set>
#include <string>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

class seeded final : public random_source {
public:
  explicit seeded(std::uint64_t seed) : generator_(seed) {}
  std::uint64_t next() override { return generator_(); }

private:
  std::mt19937_64 generator_;
};

class zero final : public random_source {
public:
  std::uint64_t next() override { return 0; }
};

/// A breaker, its clock, and calls through it that take no time.
struct bench {
  breaker_options options;
  breaker_state aut;
  steady_time now{1h};
  zero chance;

  explicit bench(breaker_options o = {}) : options(o), aut(o, 2'400ms) {}

  breaker_permit permit() {
    auto p = aut.acquire(now, now + 5s);
    REQUIRE(p);
    return *p;
  }
  void report(const breaker_permit& p, call_verdict v, std::chrono::milliseconds took = 0ms,
              std::optional<std::chrono::milliseconds> asked = {}) {
    aut.report(p, v, took, asked, now, chance);
  }
  void calls(int n, call_verdict v, std::chrono::milliseconds took = 0ms) {
    for (int i = 0; i < n; ++i)
      report(permit(), v, took);
  }
  void trip() {
    calls(static_cast<int>(options.calls_min), call_verdict::failure);
    REQUIRE(aut.mode() == breaker_mode::open);
  }
  std::chrono::milliseconds open_for() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(aut.open_until() - now);
  }
};

/// The default options, but for what `change` says.
template <class Change>
breaker_options with(Change change) {
  breaker_options o;
  change(o);
  return o;
}

constexpr auto ok = call_verdict::success;
constexpr auto bad = call_verdict::failure;
constexpr auto none = call_verdict::ignored;

} // namespace

TEST_CASE("a breaker opens when the rate of failures is reached, not before calls_min") {
  bench b;

  b.calls(9, bad);
  CHECK(b.aut.mode() == breaker_mode::closed);
  b.calls(1, ok);
  CHECK(b.aut.mode() == breaker_mode::open);

  bench even;
  even.calls(10, ok);
  even.calls(9, bad);
  CHECK(even.aut.mode() == breaker_mode::closed);
  even.calls(1, bad); // 10 of 20: at the rate is enough
  CHECK(even.aut.mode() == breaker_mode::open);
}

TEST_CASE("a breaker looks at the last calls only") {
  bench b;
  b.calls(11, ok);
  b.calls(9, bad);
  b.calls(100, ok);

  b.calls(9, bad);
  CHECK(b.aut.tally(b.now).calls == 20);
  CHECK(b.aut.tally(b.now).failed == 9);
  CHECK(b.aut.mode() == breaker_mode::closed);
}

TEST_CASE("a window of time forgets what is older, bucket by bucket") {
  bench b{with([](auto& o) { o.window_time = 60s; })};

  b.calls(9, bad);
  b.now += 55s;
  CHECK(b.aut.tally(b.now).failed == 9);
  b.now += 6s;
  CHECK(b.aut.tally(b.now).calls == 0);
  b.calls(9, bad);
  CHECK(b.aut.mode() == breaker_mode::closed);
  b.now += 30s;
  b.calls(1, bad);
  CHECK(b.aut.mode() == breaker_mode::open);

  bench long_ago{with([](auto& o) { o.window_time = 60s; })};
  long_ago.calls(9, bad);
  long_ago.now += 10h;
  CHECK(long_ago.aut.tally(long_ago.now).calls == 0);
}

TEST_CASE("a breaker opens when calls are slow, also those that go well") {
  bench b{with([](auto& o) { o.slow_rate = 0.8; })};

  b.calls(7, ok, 2'400ms);
  b.calls(3, ok, 2'399ms);
  CHECK(b.aut.mode() == breaker_mode::closed);
  b.calls(5, ok, 3s);
  CHECK(b.aut.mode() == breaker_mode::open);

  bench own{with([](auto& o) { o.slow_call = 100ms; })};
  own.calls(10, ok, 100ms);
  CHECK(own.aut.mode() == breaker_mode::open);
}

TEST_CASE("an open breaker refuses at once and says when to come back") {
  bench b;
  b.trip();

  b.now += 10s;
  auto refused = b.aut.acquire(b.now, b.now + 5s);

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::circuit_open);
  CHECK(refused.error().retry_after == 20s);
  CHECK(refused.error().outcome == certainty::definite);
}

TEST_CASE("a breaker ignores results from before it tripped") {
  bench b;
  auto before = b.permit();
  auto late_failure = b.permit();
  b.trip();
  b.now += 30s;

  auto probe = b.permit();
  CHECK(b.aut.mode() == breaker_mode::half_open);
  b.report(before, ok);
  b.report(before, ok);
  b.report(late_failure, bad);
  CHECK(b.aut.mode() == breaker_mode::half_open);
  b.report(probe, ok);
  CHECK(b.aut.mode() == breaker_mode::half_open);
  b.report(b.permit(), ok);
  CHECK(b.aut.mode() == breaker_mode::closed);

  b.report(late_failure, bad); // nor after it has closed
  CHECK(b.aut.tally(b.now).calls == 0);
}

TEST_CASE("half-open lets so many probes through and no more, however many ask") {
  bench b;
  b.trip();
  b.now += 30s;

  int passed = 0;
  for (int i = 0; i < 1'000; ++i)
    passed += b.aut.acquire(b.now, b.now + 5s) ? 1 : 0;

  CHECK(passed == 3);
  CHECK(b.aut.refusal(b.now));
}

TEST_CASE("probes decide as soon as those that are missing cannot change it") {
  bench good;
  good.trip();
  good.now += 30s;
  good.calls(2, ok); // one of three may still fail: a third
  CHECK(good.aut.mode() == breaker_mode::closed);

  bench again;
  again.trip();
  again.now += 30s;
  again.calls(1, ok);
  again.calls(2, bad);
  CHECK(again.aut.mode() == breaker_mode::open);

  bench slow;
  slow.trip();
  slow.now += 30s;
  slow.calls(2, ok, 3s);
  CHECK(slow.aut.mode() == breaker_mode::half_open);
  slow.calls(1, ok, 3s);
  CHECK(slow.aut.mode() == breaker_mode::open);
}

TEST_CASE("the open time doubles with each round of probes that fails, up to its cap") {
  bench b;
  b.trip();
  CHECK(b.open_for() == 30s);

  for (auto expected : {60s, 120s, 240s, 300s, 300s}) {
    b.now = b.aut.open_until();
    b.calls(2, bad);
    CHECK(b.open_for() == expected);
  }
  b.now = b.aut.open_until();
  b.calls(2, ok);
  b.trip();
  CHECK(b.open_for() == 30s); // it had closed in between
}

TEST_CASE("the open time is jittered, longer by up to a fifth") {
  seeded chance{7};
  std::set<std::int64_t> seen;
  for (int i = 0; i < 100; ++i) {
    breaker_state aut{{}, 1s};
    steady_time now{1h};
    for (int n = 0; n < 10; ++n)
      aut.report(*aut.acquire(now, now + 1s), bad, 0ms, {}, now, chance);
    auto open_for = std::chrono::duration_cast<std::chrono::milliseconds>(aut.open_until() - now);
    CHECK(open_for >= 30s);
    CHECK(open_for <= 36s);
    seen.insert(open_for.count());
  }
  CHECK(seen.size() > 90);
}

TEST_CASE("a Retry-After of the failure that trips sets the open time, up to the cap") {
  bench b;
  b.calls(9, bad);
  b.report(b.permit(), bad, 0ms, 90s);
  CHECK(b.open_for() == 90s);

  bench hours;
  hours.calls(9, bad);
  hours.report(hours.permit(), bad, 0ms, 5h);
  CHECK(hours.open_for() == 300s);
}

TEST_CASE("a probe that says nothing gives its place back when its lease is over") {
  bench b;
  b.trip();
  b.now += 30s;
  auto lost = b.permit();
  b.permit();
  b.permit();
  CHECK(b.aut.refusal(b.now));

  b.now += 5s;
  CHECK_FALSE(b.aut.refusal(b.now));
  b.report(lost, bad); // too late
  b.calls(2, ok);

  CHECK(b.aut.mode() == breaker_mode::closed);
}

TEST_CASE("a probe that was cancelled makes room for another and decides nothing") {
  bench b;
  b.trip();
  b.now += 30s;

  b.calls(50, none);
  CHECK(b.aut.mode() == breaker_mode::half_open);
  b.calls(2, ok);
  CHECK(b.aut.mode() == breaker_mode::closed);
}

TEST_CASE("a permit counts once") {
  bench b;
  b.trip();
  b.now += 30s;
  auto probe = b.permit();

  b.report(probe, ok);
  b.report(probe, ok);

  CHECK(b.aut.mode() == breaker_mode::half_open);
}

TEST_CASE("a person opens a breaker, closes it, and leaves it to itself again") {
  bench b;

  b.aut.order(breaker_order::open);
  CHECK(b.aut.mode() == breaker_mode::forced_open);
  b.now += 100h;
  auto refused = b.aut.acquire(b.now, b.now + 1s);
  REQUIRE_FALSE(refused);
  CHECK_FALSE(refused.error().retry_after);

  b.aut.order(breaker_order::close);
  b.calls(100, bad);
  CHECK(b.aut.mode() == breaker_mode::disabled);

  b.aut.order(breaker_order::self);
  CHECK(b.aut.mode() == breaker_mode::closed);
  b.trip();
}

TEST_CASE("a breaker that is not enabled lets everything through and can still be opened by hand") {
  bench b{with([](auto& o) { o.enabled = false; })};

  b.calls(100, bad);
  CHECK(b.aut.mode() == breaker_mode::disabled);
  b.aut.order(breaker_order::open);
  CHECK(b.aut.refusal(b.now));
  b.aut.order(breaker_order::self);
  CHECK(b.aut.mode() == breaker_mode::disabled);
}

TEST_CASE("a breaker that is made anew goes on with its checkpoint") {
  bench b;
  b.calls(6, ok);
  b.calls(5, bad);
  utc_time utc{1'000h};
  bench window;
  window.aut.restore(b.aut.save(b.now, utc), window.now, utc);
  CHECK(window.aut.tally(window.now).failed == 5);
  window.calls(1, bad); // six of twelve
  CHECK(window.aut.mode() == breaker_mode::open);

  bench open;
  open.aut.restore(window.aut.save(window.now, utc), open.now, utc + 10s);
  CHECK(open.aut.mode() == breaker_mode::open);
  CHECK(open.open_for() == 20s);
  open.now += 20s;
  open.calls(2, bad);
  CHECK(open.open_for() == 60s); // it knows that it was the second time

  bench forced;
  forced.aut.order(breaker_order::open);
  open.aut.restore(forced.aut.save(forced.now, utc), open.now, utc);
  CHECK(open.aut.mode() == breaker_mode::forced_open);
}

TEST_CASE("what counts as a failure: not a no, not a cancellation, not a rate limit") {
  auto of = [](errc code, bool slow = false) { return verdict_of(error{code}, slow); };

  for (auto code : {errc::timed_out, errc::unavailable, errc::schema_mismatch, errc::internal})
    CHECK(of(code) == bad);
  for (auto code : {errc::invalid_input, errc::not_found, errc::conflict, errc::failed,
                    errc::output_too_large, errc::budget_exceeded})
    CHECK(of(code) == ok);
  for (auto code : {errc::cancelled, errc::rate_limited, errc::overloaded, errc::circuit_open})
    CHECK(of(code) == none);
  CHECK(of(errc::deadline_exceeded) == none);
  CHECK(of(errc::deadline_exceeded, true) == bad);
}

TEST_CASE("breaker options that make no sense are refused") {
  auto keys = [](const breaker_options& o) {
    std::set<std::string> out;
    for (auto& p : o.validate())
      out.insert(p.key);
    return out;
  };

  CHECK(keys({}).empty());
  CHECK(keys(with([](auto& o) {
          o.window = 5;
          o.failure_rate = 0;
          o.slow_rate = -1;
          o.open_for = 0ms;
          o.half_open_calls = 0;
          o.jitter = 2;
        }))
        == std::set<std::string>{"breaker.calls_min", "breaker.failure_rate", "breaker.slow_rate",
                                 "breaker.open_for", "breaker.half_open_calls", "breaker.jitter"});
}
