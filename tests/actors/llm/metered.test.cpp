// What an endpoint's limiter does for its calls: keys, limits, fairness, and restarts of either.

#include "actors/guard/limiter_actor.hpp"
#include "tests/actors/llm/ground.hpp"

#include <map>
#include <random>

using namespace troupe;
using namespace troupe::test;

namespace {

/// A server that counts for itself, strictly: per key no window of 60 s with more requests than its
/// limit, and over all keys no more in flight than it has places.
class strict_server final : public model_backend {
public:
  strict_server(const time_source& clock, std::size_t per_minute, std::size_t places)
    : clock_(clock), per_minute_(per_minute), places_(places) {}

  model_request_id start(const model_request& asked, model_done done) override {
    auto now = clock_.steady();
    auto& window = window_[asked.key];
    while (!window.empty() && window.front() <= now - 60s)
      window.pop_front();
    if (open_.size() >= places_ || window.size() >= per_minute_) {
      ++refused;
      done(error{errc::rate_limited, "slow down"});
      return 0;
    }
    window.push_back(now);
    ++taken[asked.key];
    in_flight_max = std::max(in_flight_max, open_.size() + 1);
    open_.emplace(++last_, request{now + latency, std::move(done)});
    return last_;
  }
  void cancel(model_request_id id) override {
    auto found = open_.find(id);
    if (found == open_.end())
      return;
    auto done = std::move(found->second.done);
    open_.erase(found);
    done(error{errc::cancelled, "cancelled", certainty::unknown});
  }
  /// Answers what is due.
  void answer_due() {
    auto now = clock_.steady();
    for (auto i = open_.begin(); i != open_.end();)
      if (i->second.due <= now) {
        auto done = std::move(i->second.done);
        i = open_.erase(i);
        done(says("yes"));
      } else {
        ++i;
      }
  }
  std::size_t all() const {
    std::size_t n = 0;
    for (const auto& [_, one] : taken)
      n += one;
    return n;
  }
  std::size_t open() const { return open_.size(); }

  std::chrono::milliseconds latency{800};
  std::size_t refused = 0;
  std::size_t in_flight_max = 0;
  std::map<std::size_t, std::size_t> taken;

private:
  struct request {
    steady_time due{};
    model_done done;
  };
  const time_source& clock_;
  std::size_t per_minute_, places_;
  std::map<std::size_t, std::deque<steady_time>> window_;
  std::map<model_request_id, request> open_;
  model_request_id last_ = 0;
};

/// A server that refuses nothing: above ten requests at once its answers begin later.
class busy_server final : public model_backend {
public:
  explicit busy_server(const time_source& clock) : clock_(clock) {}

  model_request_id start(const model_request& asked, model_done done) override {
    auto load = std::max<std::size_t>(open_.size() + 1, 10);
    auto begins = clock_.steady() + 20ms * load;
    open_.push_back({begins, asked.on_delta, std::move(done)});
    return ++last_;
  }
  void cancel(model_request_id) override {}
  void answer_due() {
    auto now = clock_.steady();
    for (auto i = open_.begin(); i != open_.end();) {
      if (i->begins <= now && i->begun)
        std::exchange(i->begun, nullptr)(model_delta{});
      if (i->begins + 300ms > now) {
        ++i;
        continue;
      }
      auto done = std::move(i->done);
      i = open_.erase(i);
      done(says("yes"));
    }
  }

private:
  struct request {
    steady_time begins{};
    std::function<void(const model_delta&)> begun;
    model_done done;
  };
  const time_source& clock_;
  std::deque<request> open_;
  model_request_id last_ = 0;
};

class metered : public ground {
public:
  explicit metered(endpoint_options o = {}, std::size_t keys = 2) {
    o.name = options.name;
    o.model = options.model;
    o.script = options.script;
    options = std::move(o);
    for (std::size_t i = 0; i < keys; ++i)
      (i == 0 ? options.api_key : options.further_keys.emplace_back())
        = secret{"sk-hush-" + std::to_string(i)};
    meter = make_llm_limiter(options, env);
    gate = make_llm_breaker(options, env);
    backend = std::make_shared<fake_backend>();
    server = backend;
  }
  ~metered() {
    if (actor)
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    server.reset();
    run();
  }

  void start_limiter() {
    actor = spawn_limiter(system, timer, meter);
    run();
  }
  void kill_limiter() {
    caf::anon_send_exit(std::exchange(actor, nullptr), caf::exit_reason::kill);
    run();
  }
  void start_endpoint() {
    aut = start_llm_endpoint(system, [&] {
      llm_setup s{env, timer, options, server, gate};
      s.meter = meter;
      return s;
    }());
    run();
  }
  void kill_endpoint() {
    caf::anon_send_exit(std::exchange(aut, nullptr), caf::exit_reason::kill);
    run();
  }
  std::shared_ptr<asked<call_reply>> call_of(std::string agent, call_id id,
                                             utc_time deadline = never,
                                             std::string asks = {}) {
    call_request r;
    r.options = std::move(asks);
    r.id = id;
    r.service = "llm:fast";
    r.body = words;
    r.cls = effect_class::read;
    r.agent = std::move(agent);
    r.deadline = deadline;
    return ask<call_reply>(std::move(r));
  }
  std::size_t told(std::string_view name) const { return events.count(name); }

  std::shared_ptr<limiter> meter;
  std::shared_ptr<breaker> gate;
  std::shared_ptr<model_backend> server;
  caf::actor actor;
};

endpoint_options limited(std::uint32_t per_minute, std::uint32_t concurrent = 20) {
  endpoint_options o;
  o.concurrent = concurrent;
  o.limits.requests_per_minute = per_minute;
  return o;
}

error with_status(int) {
  return {errc::failed, "the model's server refuses the API key (401)"};
}

/// The model's server answers the n-th request with a status that is about its key.
void refuse_key(metered& m, std::size_t n) {
  server_limits word;
  word.status = 401;
  m.backend->seen.at(n).asked.on_limits(word);
  m.answer(n, with_status(401));
}

/// Jain's index: 1 where all have the same, 1/n where one has all.
double fairness(const std::map<std::string, std::size_t>& served) {
  double sum = 0;
  double squares = 0;
  for (const auto& [_, n] : served) {
    sum += static_cast<double>(n);
    squares += static_cast<double>(n) * static_cast<double>(n);
  }
  return sum * sum / (static_cast<double>(served.size()) * squares);
}

} // namespace

TEST_CASE("requests go with each key in turn") {
  metered m;
  m.start_limiter();
  m.start_endpoint();

  for (int i = 0; i < 4; ++i)
    m.call(words);

  std::map<std::size_t, int> used;
  for (const auto& r : m.backend->seen)
    ++used[r.asked.key];
  CHECK(used == std::map<std::size_t, int>{{0, 2}, {1, 2}});
}

TEST_CASE("a key that the server refuses is set aside with an alarm and the call goes on with another") {
  metered m;
  m.start_limiter();
  m.start_endpoint();
  auto slot = m.call(words);

  refuse_key(m, 0);

  REQUIRE(m.backend->seen.size() == 2);
  CHECK(m.backend->seen[1].asked.key == 1);
  m.answer(1, says("yes"));
  CHECK(slot->value().find("yes") != std::string::npos);
  CHECK(m.told("limiter.key_refused") == 1);
  for (const auto& e : m.events.events())
    for (const auto& [_, json] : e.fields)
      CHECK(json.find("hush") == std::string::npos);
}

TEST_CASE("without a key that is accepted nobody waits and after a while one is tried") {
  metered m;
  m.start_limiter();
  m.start_endpoint();
  auto slot = m.call(words);
  refuse_key(m, 0);
  refuse_key(m, 1);

  CHECK(slot->why().code == errc::failed);
  auto second = m.call(words);
  CHECK(second->why().code == errc::failed);
  CHECK(second->why().retry_after > 4min);
  CHECK(m.backend->seen.size() == 2);
  m.advance(5min + 10ms);
  auto third = m.call(words);
  REQUIRE(m.backend->seen.size() == 3);
  m.answer(2, says("paid"));
  CHECK(third->value().find("paid") != std::string::npos);
}

TEST_CASE("a 429 rests one key and the call goes on with the other") {
  metered m;
  m.start_limiter();
  m.start_endpoint();
  auto slot = m.call(words);
  error slow{errc::rate_limited, "slow down"};
  slow.retry_after = 30s;

  m.answer(0, slow);

  m.advance(1s);
  REQUIRE(m.backend->seen.size() == 2);
  CHECK(m.backend->seen[1].asked.key == 1);
  m.answer(1, says("yes"));
  CHECK(slot->value().find("yes") != std::string::npos);
  CHECK(m.told("limiter.cooling") == 1);
}

TEST_CASE("what the server says is left is believed") {
  metered m{limited(600), 1};
  m.start_limiter();
  m.start_endpoint();
  m.call(words);
  server_limits word;
  word.status = 200;
  word.requests = 0;
  word.rest = 3s;
  m.backend->seen.at(0).asked.on_limits(word);
  m.answer(0, says("yes"));

  auto slot = m.call(words);

  m.advance(2'990ms);
  CHECK(m.backend->seen.size() == 1);
  m.advance(20ms);
  CHECK(m.backend->seen.size() == 2);
}

TEST_CASE("what the server says is left holds while the answer still comes") {
  metered m{limited(600), 1};
  m.start_limiter();
  m.start_endpoint();
  m.call(words);
  server_limits word;
  word.status = 200;
  word.rest = 3s;
  m.backend->seen.at(0).asked.on_limits(word); // with the head of an answer that takes long

  m.call(words);

  m.advance(2'990ms);
  CHECK(m.backend->seen.size() == 1);
  CHECK(m.told("limiter.cooling") == 1);
  m.advance(20ms);
  CHECK(m.backend->seen.size() == 2);
  m.answer(0, says("at last"));
  m.call(words);
  CHECK(m.backend->seen.size() == 3); // the 3 s are not counted from the end again
}

TEST_CASE("who waits for a token goes when it has come and not before") {
  metered m{limited(60), 1};
  m.start_limiter();
  m.start_endpoint();
  m.call(words);
  m.call(words);

  m.advance(1'000ms);
  CHECK(m.backend->seen.size() == 1);
  m.advance(30ms); // a 59th of a minute
  CHECK(m.backend->seen.size() == 2);
  CHECK(m.told("limiter.waited") == 1);
}

TEST_CASE("a call whose turn cannot come before its deadline is told at once") {
  metered m{limited(60), 1};
  m.start_limiter();
  m.start_endpoint();
  m.call(words);
  for (int i = 0; i < 5; ++i)
    m.call(words);

  auto slot = m.call(words, m.time.now() + 2s);

  REQUIRE(slot->reply);
  CHECK(slot->why().code == errc::deadline_exceeded);
  CHECK(slot->why().retry_after > 4s);
}

TEST_CASE("a full endpoint turns away the last of those who ask most for others who ask little") {
  auto o = limited(0, 1);
  o.queue = 4;
  metered m{o, 1};
  m.start_limiter();
  m.start_endpoint();
  call_id id = 0;
  std::vector<std::shared_ptr<asked<call_reply>>> noisy;
  for (int i = 0; i < 5; ++i)
    noisy.push_back(m.call_of("noisy", ++id));
  CHECK(m.call_of("noisy", ++id)->why().code == errc::overloaded);

  auto shy = m.call_of("shy", ++id);

  CHECK_FALSE(shy->reply);
  CHECK(noisy.back()->why().code == errc::overloaded);
  CHECK(noisy.back()->why().retry_after >= 100ms);
  CHECK(m.stats().overloaded == 2);
  m.answer(0, says("one"));
  m.answer(1, says("two")); // of noisy, or of shy: equal shares
  m.answer(2, says("three"));
  CHECK(shy->value() != "");
}

TEST_CASE("a text that is refused does not take the key from the others") {
  metered m;
  m.start_limiter();
  m.start_endpoint();
  auto flagged = m.call(words);
  server_limits word;
  word.status = 403;
  word.about_request = true;
  m.backend->seen.at(0).asked.on_limits(word);
  m.answer(0, error{errc::failed, "refused by the content policy"});

  CHECK(flagged->why().code == errc::failed);
  CHECK(m.told("limiter.key_refused") == 0);
  CHECK(m.backend->seen.size() == 1); // no other key was tried
}

TEST_CASE("fault 39: a server that counts nonsense does not stop its limiter and is told of") {
  auto o = limited(0);
  o.limits.output_tokens_per_minute = 600'000;
  metered m{o, 1};
  m.start_limiter();
  m.start_endpoint();
  m.call(words);
  auto odd = says("a");
  odd.output_tokens = 9'000'000'000'000'000;
  m.answer(0, odd);

  auto next = m.call(words);

  CHECK(m.told("llm.usage_odd") == 1);
  m.advance(30s); // 262,144 tokens at most were booked
  REQUIRE(m.backend->seen.size() == 2);
  m.answer(1, says("b"));
  CHECK(next->value() != "");
}

TEST_CASE("an endpoint that dies gives back its turns and its successor finds the limits as they were") {
  metered m{limited(60, 1), 1};
  m.start_limiter();
  m.start_endpoint();
  auto first = m.call(words);
  auto second = m.call(words);

  m.kill_endpoint();

  CHECK(first->why().code == errc::unavailable);
  CHECK(second->why().code == errc::unavailable);
  CHECK(m.meter->info().in_flight == 0);
  CHECK(m.meter->info().waiting == 0);
  m.start_endpoint();
  m.call(words);
  CHECK(m.backend->seen.size() == 1); // the minute's second token is not there yet
  m.advance(1'030ms);
  CHECK(m.backend->seen.size() == 2);
}

TEST_CASE("while the limiter's actor is down calls wait and its successor lets them go") {
  metered m{limited(0, 1), 1};
  m.start_limiter();
  m.start_endpoint();
  auto first = m.call(words);
  auto second = m.call(words);
  m.kill_limiter();

  m.answer(0, says("a"));
  CHECK(first->reply);
  CHECK(m.backend->seen.size() == 1);
  m.start_limiter();

  REQUIRE(m.backend->seen.size() == 2);
  m.answer(1, says("b"));
  CHECK(second->value().find("\"b\"") != std::string::npos);
}

TEST_CASE("forty callers on twenty places and two keys meet no 429 and use 99 % of what is allowed fairly") {
  metered m{limited(500), 2};
  auto server = std::make_shared<strict_server>(m.time, 500, 20);
  server->latency = 1'100ms; // with a burst, now and then more than there are places
  m.server = server;
  m.start_limiter();
  m.start_endpoint();
  const std::map<std::string, int> callers{{"triage", 16}, {"refund", 10}, {"search", 8}, {"mail", 6}};
  struct caller {
    std::string agent;
    std::shared_ptr<asked<call_reply>> slot;
  };
  std::vector<caller> all;
  call_id id = 0;
  for (const auto& [agent, n] : callers)
    for (int i = 0; i < n; ++i)
      all.push_back({agent, m.call_of(agent, ++id)});
  std::map<std::string, std::size_t> served;

  constexpr auto minutes = 10;
  for (auto until = m.time.steady() + std::chrono::minutes{minutes}; m.time.steady() < until;) {
    m.advance(10ms);
    server->answer_due();
    m.run();
    for (auto& c : all)
      if (c.slot->reply) {
        REQUIRE(c.slot->outcome());
        ++served[c.agent];
        c.slot = m.call_of(c.agent, ++id);
      }
  }

  auto allowed = 2 * 500 * minutes;
  INFO("of " << allowed << " allowed " << server->all() << " were taken, " << server->refused
             << " refused, fairness " << fairness(served));
  CHECK(server->refused == 0);
  CHECK(server->in_flight_max == 20);
  CHECK(static_cast<double>(server->all()) >= 0.99 * allowed);
  CHECK(fairness(served) >= 0.95);
}

TEST_CASE("where streamed answers begin late an adaptive limiter sends less at once") {
  auto o = limited(0, 64);
  o.limits.adaptive = true;
  o.limits.slow_first_token = GENERATE(2.0, 0.0);
  metered m{o, 1};
  auto server = std::make_shared<busy_server>(m.time);
  m.server = server;
  m.start_limiter();
  m.start_endpoint();
  std::vector<std::shared_ptr<asked<call_reply>>> callers(64);
  call_id id = 0;

  for (auto until = m.time.steady() + 60s; m.time.steady() < until; m.advance(10ms)) {
    for (auto& c : callers)
      if (!c || c->reply)
        c = m.call_of("a", ++id, never, R"({"stream":true})");
    server->answer_due();
    m.run();
  }

  auto window = m.meter->info().keys.at(0).window;
  INFO("window " << window);
  if (o.limits.slow_first_token > 0) {
    CHECK(window >= 8);
    CHECK(window <= 32); // twice as late is at twice as many
  } else {
    CHECK(window == 64);
  }
}

TEST_CASE("whoever dies and whatever is cancelled no call is lost and no place is used twice",
          "[seeds]") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    std::mt19937 rng{seed};
    auto o = limited(rng() % 2 == 0 ? 0 : 1'200, 1 + rng() % 4);
    o.retry.total_timeout = 20s;
    o.queue = 12;
    metered m{o, 1 + rng() % 3};
    auto places = o.concurrent;
    auto server = std::make_shared<strict_server>(m.time, 1'200, places);
    server->latency = std::chrono::milliseconds{50 + rng() % 400};
    m.server = server;
    m.start_limiter();
    m.start_endpoint();
    std::vector<std::shared_ptr<asked<call_reply>>> slots;
    call_id id = 0;
    for (int step = 0; step < 150; ++step) {
      auto what = rng() % 20;
      if (what < 12 && m.aut)
        slots.push_back(m.call_of(rng() % 2 == 0 ? "a" : "b", ++id,
                                  rng() % 4 == 0 ? m.time.now() + 500ms : never));
      else if (what < 14 && id > 0 && m.aut)
        m.cancel(1 + rng() % id);
      else if (what == 14 && m.actor)
        m.kill_limiter();
      else if (what == 15 && m.aut)
        m.kill_endpoint();
      if (!m.actor && rng() % 3 == 0)
        m.start_limiter();
      if (!m.aut && rng() % 3 == 0)
        m.start_endpoint();
      m.advance(std::chrono::milliseconds{rng() % 120});
      server->answer_due();
      m.run();
      REQUIRE(server->open() <= places);
    }
    if (!m.actor)
      m.start_limiter();
    if (!m.aut)
      m.start_endpoint();
    for (int i = 0; i < 2'500; ++i) {
      m.advance(10ms);
      server->answer_due();
      m.run();
    }

    CHECK(server->refused == 0);
    CHECK(std::all_of(slots.begin(), slots.end(),
                      [](const auto& s) { return s->reply || s->failed; }));
    auto left = m.meter->info();
    CHECK(left.waiting == 0);
    CHECK(left.in_flight == 0);
    CHECK(m.call_of("a", ++id)->failed == false);
    CHECK(server->open() == 1);
  }
}
