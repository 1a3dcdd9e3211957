#include "actors/llm/scripted_backend.hpp"

#include "tests/actors/llm/ground.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

model_request about(std::string text, std::string schema = {}) {
  model_request r;
  r.messages.push_back({"system", "You sort."});
  r.messages.push_back({"user", std::move(text)});
  r.schema = std::move(schema);
  return r;
}

class scripted {
public:
  explicit scripted(std::string_view text) {
    auto parsed = parse_script(text, "x.json");
    if (!parsed)
      FAIL(parsed.error().message);
    backend = std::make_unique<scripted_backend>(on.system, on.env, on.timer, std::move(*parsed));
    on.run();
  }

  std::shared_ptr<std::optional<result<model_answer>>> start(const model_request& r) {
    auto slot = std::make_shared<std::optional<result<model_answer>>>();
    last = backend->start(r, [slot](result<model_answer> a) { slot->emplace(std::move(a)); });
    on.run();
    return slot;
  }
  std::string say(const model_request& r) {
    auto slot = start(r);
    if (!*slot)
      return "nothing yet";
    return **slot ? (**slot)->text : std::string{to_string((**slot).error().code)};
  }

  ground on;
  std::unique_ptr<scripted_backend> backend;
  model_request_id last = 0;
};

} // namespace

TEST_CASE("a scripted model answers by the first rule, then by sequence, then otherwise") {
  scripted s{R"({"rules": [{"when": {"contains": ["refund", "T-1"]}, "answer": {"queue": "money"}},
                           {"when": {"contains": ["t-1"]}, "answer": "once", "times": 1}],
                 "sequence": ["first", "second"], "otherwise": "rest"})"};

  CHECK(s.say(about("T-1: REFUND me")) == R"({"queue":"money"})");
  CHECK(s.say(about("about t-1")) == "once");
  CHECK(s.say(about("about t-1")) == "first");
  CHECK(s.say(about("hello")) == "second");
  CHECK(s.say(about("hello")) == "rest");
  CHECK(s.say(about("T-1: refund")) == R"({"queue":"money"})");
}

TEST_CASE("a scripted model without an answer says so") {
  scripted s{R"({"sequence": ["only"]})"};

  CHECK(s.say(about("a")) == "only");
  CHECK(s.say(about("a")) == "failed");
}

TEST_CASE("a scripted model counts tokens as told, or four characters each") {
  scripted s{R"({"rules": [{"when": {"contains": ["told"]}, "answer": "x",
                            "usage": {"input_tokens": 5, "output_tokens": 6}}],
                 "otherwise": "12345"})"};

  auto told = s.start(about("told"));
  auto counted = s.start(about("1234"));

  CHECK((**told)->input_tokens == 5);
  CHECK((**told)->output_tokens == 6);
  CHECK((**counted)->input_tokens == 4); // 9 + 4 characters
  CHECK((**counted)->output_tokens == 2);
}

TEST_CASE("a scripted model's latency passes in virtual time, drawn from the random source") {
  scripted s{R"({"latency_ms": [20, 60], "otherwise": "x"})"};
  s.on.random.value = 41; // 41 % 41 = 0: the shortest
  auto quick = s.start(about("a"));
  s.on.random.value = 40;
  auto slow = s.start(about("a"));

  s.on.advance(10ms);
  CHECK_FALSE(*quick);
  s.on.advance(10ms);
  CHECK(*quick);
  s.on.advance(30ms);
  CHECK_FALSE(*slow);
  s.on.advance(10ms);
  CHECK(*slow);
}

TEST_CASE("faults come by count and use nothing up") {
  scripted s{R"({"sequence": ["a", "b"], "otherwise": "c",
                 "faults": [{"every": 4, "error": "rate_limited"},
                            {"every": 2, "error": "unavailable"}]})"};

  CHECK(s.say(about("x")) == "a");
  CHECK(s.say(about("x")) == "unavailable");
  CHECK(s.say(about("x")) == "b");
  CHECK(s.say(about("x")) == "rate_limited");
  CHECK(s.say(about("x")) == "c");
}

TEST_CASE("a malformed answer breaks off, and words that break off cannot be read") {
  scripted s{R"({"otherwise": {"queue": "a"}, "faults": [{"every": 1, "error": "malformed"}]})"};

  CHECK(s.say(about("x", "{}")) == R"({"queu)");
  CHECK(s.say(about("x")) == "unavailable");
}

TEST_CASE("a timeout on request lasts as long as the endpoint waits") {
  scripted s{R"({"otherwise": "x", "faults": [{"every": 1, "error": "timed_out"}]})"};
  auto r = about("x");
  r.timeout = 500ms;

  auto slot = s.start(r);
  s.on.advance(490ms);
  CHECK_FALSE(*slot);
  s.on.advance(10ms);

  REQUIRE(*slot);
  CHECK((**slot).error().code == errc::timed_out);
}

TEST_CASE("a scripted answer can be cancelled, once") {
  scripted s{R"({"latency_ms": 100, "otherwise": "x"})"};
  auto slot = s.start(about("a"));

  s.backend->cancel(s.last);
  s.on.run();
  s.backend->cancel(s.last);
  s.on.advance(200ms);

  REQUIRE(*slot);
  CHECK((**slot).error().code == errc::cancelled);
}

TEST_CASE("a scripted model that ends answers what is in flight") {
  scripted s{R"({"latency_ms": 100, "otherwise": "x"})"};
  auto slot = s.start(about("a"));

  s.backend.reset();
  s.on.run();

  REQUIRE(*slot);
  CHECK((**slot).error().code == errc::shutting_down);
}
