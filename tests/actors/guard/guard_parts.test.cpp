// The small parts of the guards, each without an actor.
#include "actors/guard/fallback.hpp"
#include "actors/guard/latency_quantile.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("a cache gives an answer with its age, and none that is too old") {
  answer_cache aut;
  steady_time t{1h};
  aut.put("{}", "1", t);

  CHECK(aut.find("{}", 1min, t + 30s)->value == "1");
  CHECK(aut.find("{}", 1min, t + 30s)->age == 30s);
  CHECK_FALSE(aut.find("{}", 1min, t + 61s));
  CHECK_FALSE(aut.find("[]", 1min, t));
  aut.put("{}", "2", t + 1h);
  CHECK(aut.find("{}", 1min, t + 1h)->value == "2");
  CHECK(aut.size() == 1);
}

TEST_CASE("a cache is bounded in answers and in bytes, what was not used for long goes first") {
  answer_cache aut;
  steady_time t{1h};
  for (std::size_t i = 0; i < answer_cache::answers_max; ++i)
    aut.put(std::to_string(i), "1", t);
  CHECK(aut.find("0", 1min, t)); // used: it stays
  aut.put("one more", "1", t);
  CHECK(aut.size() == answer_cache::answers_max);
  CHECK(aut.find("0", 1min, t));
  CHECK_FALSE(aut.find("1", 1min, t));

  aut.put("large", std::string(answer_cache::bytes_max - 100, 'x'), t);
  CHECK(aut.bytes() <= answer_cache::bytes_max);
  CHECK(aut.find("large", 1min, t));
  aut.put("too large", std::string(answer_cache::bytes_max, 'x'), t);
  CHECK_FALSE(aut.find("too large", 1min, t));
}

TEST_CASE("the p95 says nothing before it has seen enough, then what the slowest take") {
  latency_quantile aut;
  for (int i = 0; i < 19; ++i)
    aut.add(10ms);
  CHECK_FALSE(aut.p95());
  aut.add(10ms);
  CHECK(aut.p95() == 10ms);

  for (int i = 0; i < 128; ++i)
    aut.add(i % 10 == 0 ? 1s : 20ms); // a tenth is slow
  CHECK(aut.p95() == 1s);
  for (int i = 0; i < 128; ++i)
    aut.add(i % 50 == 0 ? 1s : 20ms); // a fiftieth
  CHECK(aut.p95() == 20ms);
}
