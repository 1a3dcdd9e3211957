#include "actors/guard/rate_limiter.hpp"

#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const steady_time start = steady_time{} + 1'000h;

rate_claim from(std::string agent, token_use estimate = {}, steady_time deadline = steady_time::max()) {
  rate_claim c;
  c.estimate = estimate;
  c.agent = std::move(agent);
  c.deadline = deadline;
  return c;
}

/// Lets everything go that may, and says who did.
std::vector<std::uint64_t> gone(rate_limiter& aut, steady_time now) {
  std::vector<std::uint64_t> out;
  for (auto& d : aut.step(now))
    if (!d.refused)
      out.push_back(d.id);
  return out;
}

/// Counts as a strict server does: no window of 60 s has more than the limit.
class strict_server {
public:
  explicit strict_server(std::size_t limit) : limit_(limit) {}

  bool takes(steady_time now) {
    while (!seen_.empty() && seen_.front() <= now - 60s)
      seen_.pop_front();
    if (seen_.size() >= limit_)
      return false;
    seen_.push_back(now);
    return true;
  }

private:
  std::size_t limit_;
  std::deque<steady_time> seen_;
};

} // namespace

TEST_CASE("a bucket lets a burst through and then its rate") {
  gcra aut{60, 3};
  for (int i = 0; i < 3; ++i) {
    CHECK(aut.when(1, start) == start);
    aut.take(1, start);
  }

  CHECK(aut.when(1, start) > start + 999ms);
  CHECK(aut.when(1, start) <= start + 1s);
  CHECK(aut.when(1, start + 1s) == start + 1s);
  CHECK_FALSE(aut.when(4, start).has_value());
}

TEST_CASE("what is given back can be taken again, and an overdraft is waited off") {
  gcra aut{60, 10};
  aut.take(10, start);
  aut.give_back(4);
  CHECK(aut.tokens(start) == Approx(4).margin(0.01));

  aut.take(9, start);

  CHECK(aut.tokens(start) == Approx(-5).margin(0.01));
  CHECK(aut.when(1, start) > start + 5s);
}

TEST_CASE("what a server says is left only tightens a bucket") {
  gcra aut{60, 10};
  aut.at_most(3, start);
  CHECK(aut.tokens(start) == Approx(3).margin(0.01));

  aut.at_most(9, start);

  CHECK(aut.tokens(start) == Approx(3).margin(0.01));
}

TEST_CASE("a limiter uses 99 % of a limit and no window of a minute has more") {
  rate_limit_options o;
  o.requests_per_minute = 500;
  rate_limiter aut{o, 2};
  std::array servers{strict_server{500}, strict_server{500}};
  std::uint64_t next_id = 1;
  std::uint64_t sent = 0;
  auto now = start;
  const auto end = start + 5min;

  std::deque<std::pair<steady_time, std::uint64_t>> in_flight;
  for (; now < end; now += 10ms) {
    while (!in_flight.empty() && in_flight.front().first <= now) {
      aut.finish(in_flight.front().second, {}, now);
      in_flight.pop_front();
    }
    while (aut.waiting() < 40)
      REQUIRE(aut.enqueue(next_id++, from("a"), now).has_value());
    for (auto& d : aut.step(now)) {
      REQUIRE(servers.at(d.key).takes(now));
      in_flight.emplace_back(now + 500ms, d.id);
      ++sent;
    }
  }

  CHECK(static_cast<double>(sent) >= 0.99 * 5 * 2 * 500);
}

TEST_CASE("no window of a minute has more where requests come late by as much as is allowed for") {
  rate_limit_options o;
  o.requests_per_minute = 500;
  std::mt19937 rng{7};
  for (auto worst : {false, true}) {
    rate_limiter aut{o, 1};
    std::vector<steady_time> came;
    std::uint64_t next_id = 1;
    for (auto now = start; now < start + 3min; now += 1ms) {
      while (aut.waiting() < 2)
        REQUIRE(aut.enqueue(next_id++, from("a"), now).has_value());
      for (auto& d : aut.step(now)) {
        aut.finish(d.id, {}, now);
        auto late = std::chrono::milliseconds{rng() % 151};
        if (worst) // the first burst over a new connection, all else at once
          late = now < start + 500ms ? 150ms : 0ms;
        came.push_back(now + late);
      }
    }
    std::sort(came.begin(), came.end());
    strict_server server{500};

    INFO("sent " << came.size());
    CHECK(std::all_of(came.begin(), came.end(), [&](auto at) { return server.takes(at); }));
  }
}

TEST_CASE("never more than the places of a key are in flight") {
  rate_limit_options o;
  o.concurrent = 20;
  rate_limiter aut{o, 1};
  for (std::uint64_t id = 1; id <= 40; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());

  CHECK(gone(aut, start).size() == 20);
  CHECK(gone(aut, start + 1h).empty());
  aut.finish(1, {}, start + 1s);
  CHECK(gone(aut, start + 1s) == std::vector<std::uint64_t>{21});
}

TEST_CASE("all limits are taken in one step or none") {
  rate_limit_options o;
  o.requests_per_minute = 6'000;
  o.output_tokens_per_minute = 6'000;
  rate_limiter aut{o, 1};
  REQUIRE(aut.enqueue(1, from("a", {10, 50}), start).has_value());
  REQUIRE(aut.enqueue(2, from("a", {10, 50}), start).has_value());
  REQUIRE(gone(aut, start).size() == 1); // the burst of output tokens is used up

  auto next = aut.next(start);

  REQUIRE(next.has_value());
  CHECK(*next > start);
  CHECK(gone(aut, *next) == std::vector<std::uint64_t>{2});
}

TEST_CASE("tokens that an estimate took too much of come back") {
  rate_limit_options o;
  o.output_tokens_per_minute = 60'000;
  rate_limiter aut{o, 1};
  REQUIRE(aut.enqueue(1, from("a", {0, 10'000}), start).has_value());
  REQUIRE(gone(aut, start).size() == 1);
  REQUIRE(aut.enqueue(2, from("a", {0, 100}), start).has_value());
  CHECK(gone(aut, start).empty());

  aut.finish(1, {rate_outcome::went_well, token_use{0, 10}, {}, {}}, start + 1s);

  CHECK(gone(aut, start + 1s) == std::vector<std::uint64_t>{2});
}

TEST_CASE("the least loaded key is used, and one that is refused never again") {
  rate_limiter aut{{}, 3};
  for (std::uint64_t id = 1; id <= 3; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());
  std::map<std::size_t, int> used;
  for (auto& d : aut.step(start))
    ++used[d.key];
  CHECK(used == std::map<std::size_t, int>{{0, 1}, {1, 1}, {2, 1}});

  aut.finish(1, {rate_outcome::key_dead, {}, {}, {}}, start);

  for (std::uint64_t id = 4; id <= 20; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());
  for (auto& d : aut.step(start))
    CHECK(d.key != 0);
}

TEST_CASE("when no key is left everybody is told") {
  rate_limit_options o;
  o.concurrent = 1;
  rate_limiter aut{o, 1};
  REQUIRE(aut.enqueue(1, from("a"), start).has_value());
  REQUIRE(aut.enqueue(2, from("a"), start).has_value());
  REQUIRE(gone(aut, start).size() == 1);

  aut.finish(1, {rate_outcome::key_dead, {}, {}, {}}, start);

  auto decided = aut.step(start);
  REQUIRE(decided.size() == 1);
  REQUIRE(decided[0].refused.has_value());
  CHECK(decided[0].refused->code == errc::unavailable);
  CHECK(aut.enqueue(3, from("a"), start).error().code == errc::unavailable);
}

TEST_CASE("a 429 rests one key for as long as the server says and begins slowly after it") {
  rate_limit_options o;
  o.concurrent = 8;
  rate_limiter aut{o, 1};
  REQUIRE(aut.enqueue(1, from("a"), start).has_value());
  REQUIRE(gone(aut, start).size() == 1);
  aut.finish(1, {rate_outcome::throttled, {}, 7s, {}}, start);
  for (std::uint64_t id = 2; id <= 20; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());

  CHECK(gone(aut, start + 6s).empty());
  CHECK(aut.next(start) == start + 7s);
  CHECK(gone(aut, start + 7s).size() == 1);
  aut.finish(2, {}, start + 8s);
  CHECK(gone(aut, start + 8s).size() == 2);
  aut.finish(3, {}, start + 9s);
  aut.finish(4, {}, start + 9s);
  CHECK(gone(aut, start + 9s).size() == 4);
}

TEST_CASE("a call that cannot wait as long as the keys rest is refused at once") {
  rate_limiter aut{{}, 1};
  REQUIRE(aut.enqueue(1, from("a"), start).has_value());
  REQUIRE(gone(aut, start).size() == 1);
  REQUIRE(aut.enqueue(2, from("a", {}, start + 30s), start).has_value());
  aut.finish(1, {rate_outcome::throttled, {}, 3h, {}}, start);

  auto refused = aut.enqueue(3, from("a", {}, start + 10s), start);
  auto decided = aut.step(start);

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::rate_limited);
  CHECK(refused.error().retry_after == 3h);
  REQUIRE(decided.size() == 1);
  CHECK(decided[0].id == 2);
  CHECK(decided[0].refused->code == errc::rate_limited);
}

TEST_CASE("a call whose turn would come after its deadline is refused at once") {
  rate_limit_options o;
  o.requests_per_minute = 60;
  rate_limiter aut{o, 1};
  for (std::uint64_t id = 1; id <= 30; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());
  gone(aut, start);

  auto refused = aut.enqueue(31, from("a", {}, start + 5s), start);

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::deadline_exceeded);
  CHECK(refused.error().retry_after > 20s);
}

TEST_CASE("one that waits past its deadline is told so") {
  rate_limit_options o;
  o.concurrent = 1;
  rate_limiter aut{o, 1};
  REQUIRE(aut.enqueue(1, from("a"), start).has_value());
  REQUIRE(aut.enqueue(2, from("a", {}, start + 5s), start).has_value());
  REQUIRE(gone(aut, start).size() == 1);

  CHECK(aut.next(start) == start + 5s);
  auto decided = aut.step(start + 5s);

  REQUIRE(decided.size() == 1);
  CHECK(decided[0].refused->code == errc::deadline_exceeded);
  CHECK(aut.waiting() == 0);
}

TEST_CASE("a full queue is refused with the time that it will take") {
  rate_limit_options o;
  o.requests_per_minute = 60;
  o.queue = 10;
  rate_limiter aut{o, 1};
  for (std::uint64_t id = 1; id <= 10; ++id)
    REQUIRE(aut.enqueue(id, from("a"), start).has_value());

  auto refused = aut.enqueue(11, from("a"), start);

  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::overloaded);
  CHECK(refused.error().retry_after >= 9s);
}

TEST_CASE("agents get equal shares, however much one of them asks") {
  rate_limit_options o;
  o.concurrent = 1;
  rate_limiter aut{o, 1};
  std::map<std::string, int> served;
  std::map<std::uint64_t, std::string> who;
  std::uint64_t id = 0;
  auto ask = [&](const std::string& agent, int times) {
    for (int i = 0; i < times; ++i) {
      who[++id] = agent;
      REQUIRE(aut.enqueue(id, from(agent), start).has_value());
    }
  };
  ask("greedy", 500);
  ask("modest", 100);
  ask("shy", 100);

  for (int i = 0; i < 90; ++i) {
    auto now = start + std::chrono::milliseconds{i};
    auto went = gone(aut, now);
    REQUIRE(went.size() == 1);
    ++served[who[went[0]]];
    aut.finish(went[0], {}, now);
  }

  CHECK(served == std::map<std::string, int>{{"greedy", 30}, {"modest", 30}, {"shy", 30}});
}

TEST_CASE("tenants share first, then their agents, by weight") {
  fair_queue aut{0s};
  std::map<std::string, int> served;
  std::map<std::uint64_t, std::string> who;
  std::uint64_t id = 0;
  auto push = [&](std::string tenant, std::string agent, double weight) {
    for (int i = 0; i < 100; ++i) {
      queue_place p;
      p.tenant = tenant;
      p.agent = agent;
      p.weight = weight;
      who[++id] = tenant + "/" + agent;
      aut.push(id, p);
    }
  };
  push("big", "one", 1);
  push("big", "two", 3);
  push("small", "one", 1);

  for (int i = 0; i < 80; ++i) {
    auto next = aut.front(start);
    ++served[who[*next]];
    aut.served(*next);
  }

  CHECK(served["small/one"] == 40);
  CHECK(served["big/one"] == Approx(10).margin(1));
  CHECK(served["big/two"] == Approx(30).margin(1));
}

TEST_CASE("a higher priority goes first, and waiting makes up for a lower one") {
  fair_queue aut{10s};
  queue_place low, high;
  low.agent = high.agent = "a";
  low.since = start;
  high.since = start + 5s;
  high.priority = 2;
  aut.push(1, low);
  aut.push(2, high);

  CHECK(aut.front(start + 15s) == 2);
  CHECK(aut.front(start + 25s) == 1); // 25 s are worth two steps, and it was there first
}

TEST_CASE("a backlog that has grown old does not go before those who ask for little") {
  rate_limit_options o;
  o.requests_per_minute = 600;
  rate_limiter aut{o, 1};
  std::map<std::string, int> served;
  std::map<std::uint64_t, std::string> who;
  std::uint64_t id = 0;
  auto ask = [&](const std::string& tenant, steady_time now) {
    auto claim = from("a");
    claim.tenant = tenant;
    who[++id] = tenant;
    REQUIRE(aut.enqueue(id, claim, now).has_value());
  };
  for (int i = 0; i < 900; ++i)
    ask("noisy", start);

  for (auto now = start; now < start + 80s; now += 50ms) {
    if (now >= start + 30s && (now - start) % 1s == 0s)
      ask("shy", now);
    for (auto went : gone(aut, now)) {
      ++served[who[went]];
      aut.finish(went, {}, now);
    }
  }

  CHECK(served["shy"] >= 49);
  CHECK(served["noisy"] >= 600);
}

TEST_CASE("a deadline is compared with the caller's own turn and not with everybody's") {
  rate_limit_options o;
  o.requests_per_minute = 600;
  rate_limiter aut{o, 1};
  for (std::uint64_t i = 1; i <= 900; ++i)
    REQUIRE(aut.enqueue(i, from("noisy"), start).has_value());
  auto important = from("noisy", {}, start + 5s);
  important.priority = 1;

  CHECK(aut.enqueue(1'001, from("shy", {}, start + 5s), start).has_value());
  CHECK(aut.enqueue(1'002, important, start).has_value());
  auto late = aut.enqueue(1'003, from("noisy", {}, start + 60s), start);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().code == errc::deadline_exceeded);
  CHECK(late.error().retry_after > 80s);
}

TEST_CASE("the shares of others are part of how long one waits") {
  fair_queue aut{10s};
  queue_place p;
  auto push = [&](std::string tenant, std::string agent, int n) {
    p.tenant = std::move(tenant);
    p.agent = std::move(agent);
    for (int i = 0; i < n; ++i)
      aut.push(aut.size() + 1, p);
  };
  push("t", "a", 10);
  push("t", "b", 40);
  push("u", "a", 150);

  p.tenant = "t";
  p.agent = "a"; // 10 before it, 11 of b, 22 of u
  CHECK(aut.ahead(p) == Approx((10 + 11 + 22) / 200.0));
  p.agent = "c"; // 1 each of a and b, 3 of u
  CHECK(aut.ahead(p) == Approx((1 + 1 + 3) / 200.0));
  p.priority = 1;
  CHECK(aut.ahead(p) == 0);
  p.priority = -1;
  CHECK(aut.ahead(p) == 1);
}

TEST_CASE("after a storm calls queue for the places that there will be and not for the first one") {
  rate_limit_options o;
  o.concurrent = 20;
  rate_limiter aut{o, 1};
  auto now = start;
  REQUIRE(aut.enqueue(1, from("a"), now).has_value());
  REQUIRE(gone(aut, now).size() == 1);
  now += 8s; // what a request takes
  aut.finish(1, {}, now);
  REQUIRE(aut.enqueue(2, from("a"), now).has_value());
  REQUIRE(gone(aut, now).size() == 1);
  aut.finish(2, {rate_outcome::throttled, {}, 1s, {}}, now);

  for (std::uint64_t i = 3; i < 30; ++i)
    CHECK(aut.enqueue(i, from("a", {}, now + 60s), now).has_value());
}

TEST_CASE("in a full queue those who have most waiting make room for those who have less") {
  rate_limit_options o;
  o.concurrent = 1;
  o.queue = 10;
  rate_limiter aut{o, 1};
  for (std::uint64_t i = 1; i <= 10; ++i)
    REQUIRE(aut.enqueue(i, from("noisy"), start).has_value());
  REQUIRE_FALSE(aut.make_room(from("noisy"), start));

  std::vector<std::uint64_t> shed;
  for (std::uint64_t i = 11; i <= 15; ++i) {
    if (auto victim = aut.make_room(from("shy"), start)) {
      CHECK(victim->refused->code == errc::overloaded);
      shed.push_back(victim->id);
      REQUIRE(aut.enqueue(i, from("shy"), start).has_value());
    }
  }

  CHECK(shed == std::vector<std::uint64_t>{10, 9, 8, 7, 6}); // the last that came, until both have 5
  auto other = from("noisy");
  other.tenant = "another";
  CHECK(aut.make_room(other, start)->id == 5);
}

TEST_CASE("a small limit is used as well as a large one") {
  for (std::uint32_t limit : {1U, 3U, 10U, 60U, 500U}) {
    rate_limit_options o;
    o.requests_per_minute = limit;
    rate_limiter aut{o, 1};
    strict_server server{limit};
    std::uint64_t id = 0;
    std::uint64_t sent = 0;
    for (auto now = start; now < start + 30min; now += 10ms) {
      if (aut.waiting() == 0)
        REQUIRE(aut.enqueue(++id, from("a"), now).has_value());
      for (auto went : gone(aut, now)) {
        REQUIRE(server.takes(now));
        aut.finish(went, {}, now);
        ++sent;
      }
    }
    INFO(limit << " a minute");
    CHECK(static_cast<double>(sent) >= 0.99 * 30 * limit);
  }
}

TEST_CASE("an adaptive limiter finds out how many requests a server takes") {
  rate_limit_options o;
  o.concurrent = 64;
  o.adaptive = true;
  o.cooling = 100ms;
  rate_limiter aut{o, 1};
  constexpr std::size_t capacity = 12;
  std::deque<std::uint64_t> in_flight;
  std::uint64_t id = 0;
  std::uint64_t refused = 0;
  std::uint64_t done = 0;

  for (auto now = start; now < start + 120s; now += 100ms) {
    while (aut.waiting() < 100)
      REQUIRE(aut.enqueue(++id, from("a"), now).has_value());
    for (auto started : gone(aut, now)) {
      if (in_flight.size() >= capacity) {
        ++refused;
        aut.finish(started, {rate_outcome::throttled, {}, {}, {}}, now);
      } else {
        in_flight.push_back(started);
      }
    }
    for (; !in_flight.empty(); in_flight.pop_front(), ++done)
      aut.finish(in_flight.front(), {}, now);
  }

  CHECK(done > 5'000);
  CHECK(refused * 20 < done);
}
