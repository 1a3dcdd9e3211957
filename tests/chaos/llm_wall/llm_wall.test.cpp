// The wall: agents ask models whose provider does everything that providers do, as two real
// processes. Whoever asks gets the whole answer or one clean error, in bounded time, for a bounded
// number of requests; never a part of an answer that looks whole.

#include "tests/chaos/llm_wall/wall_ground.hpp"

#include <cstdio>
#include <set>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint64_t calls_each = 2;
constexpr std::chrono::seconds call_max{30}; ///< `total_timeout` of a model, and a slow machine

/// A fault, as one API tells it.
struct wall_case {
  const wall_fault* fault = nullptr;
  std::string kind;

  std::string model() const { return fault->name + "_" + kind; }
  std::string path() const {
    return fault->name
           + (kind == "openai"      ? "/v1/chat/completions"
              : kind == "anthropic" ? "/v1/messages"
                                    : "/v1/responses");
  }
};

const std::vector<wall_case>& wall_cases() {
  static const auto all = [] {
    std::vector<wall_case> out;
    for (const auto& f : wall_faults())
      for (const auto& kind : wall_kinds())
        out.push_back({&f, kind});
    return out;
  }();
  return all;
}

std::vector<wall_model> wall_models() {
  std::vector<wall_model> out;
  for (const auto& c : wall_cases())
    out.push_back({c.model(), c.kind, c.fault->name});
  return out;
}

/// One call, from its acceptance to its end.
struct asked {
  const wall_case* on = nullptr;
  std::string text;
  std::string id;
  std::chrono::steady_clock::time_point begun;
  std::chrono::milliseconds took{};
  std::string outcome; ///< `whole`, `TORN`, or the code of the error
};

class wall_test {
public:
  explicit wall_test(bool streams) : streams_(streams) {}

  std::vector<asked> ask_all(std::string_view round, std::uint64_t times) {
    std::vector<asked> out;
    for (std::uint64_t i = 0; i < times; ++i)
      for (const auto& c : wall_cases())
        out.push_back(ask(c, fmt::format("{} {} {}", round, c.model(), i)));
    wait_for(out);
    return out;
  }

  void wait_for(std::vector<asked>& all) {
    for (bool open = true; open;) {
      open = false;
      for (auto& a : all)
        if (a.outcome.empty())
          open = !look(a) || open;
      if (open)
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }

  asked ask(const wall_case& c, const std::string& text) {
    asked a;
    a.on = &c;
    a.text = text;
    a.begun = std::chrono::steady_clock::now();
    a.id = both_.ask(peer_, c.model(), text, streams_);
    return a;
  }

  /// @returns whether it has come to its end
  bool look(asked& a) {
    a.took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - a.begun);
    auto got = peer_.get("/v1/invocations/" + a.id);
    auto status = got.text("status");
    if (status == "completed") {
      auto said = got.json().at("result").at("text").as_string();
      a.outcome = std::string_view{said} == wall_answer(a.text) ? "whole" : "TORN";
    } else if (status == "failed") {
      a.outcome = std::string{got.json().at("error").at("code").as_string()};
    } else if (a.took > call_max) {
      a.outcome = "no end: " + got.body;
    }
    return !a.outcome.empty();
  }

  std::uint64_t requests(const wall_case& c) {
    auto counts = wall_.get("/counts").json();
    const auto* n = counts.as_object().if_contains(c.path());
    return n == nullptr ? 0 : n->to_number<std::uint64_t>();
  }

  void heal() { REQUIRE(wall_.post("/heal").status == 200); }

private:
  bool streams_;
  wall_ground both_{wall_models()};
  http_peer peer_{both_.url()};
  http_peer wall_{both_.wall_url()};
};

// Asks each model, and holds what came of it against the list. Prints a table.
void expect_clean_answers(bool streams) {
  wall_test t{streams};

  auto all = t.ask_all("first", calls_each);

  std::printf("%-28s %-17s %-18s %9s %9s\n", streams ? "fault (streamed)" : "fault", "kind",
              "outcome", "attempts", "longest");
  for (const auto& c : wall_cases()) {
    auto requests = t.requests(c);
    auto allowed
      = (c.fault->attempts == 0 ? wall_ground::attempts_max : c.fault->attempts) * calls_each;
    std::string outcome;
    std::chrono::milliseconds longest{};
    for (const auto& a : all) {
      if (a.on != &c)
        continue;
      INFO(c.model() << ": " << a.outcome);
      CHECK(a.outcome == c.fault->expect);
      outcome = a.outcome;
      longest = std::max(longest, a.took);
    }
    INFO(c.model() << ": " << requests << " requests");
    CHECK(requests <= allowed);
    CHECK(requests >= 1); // a key that was refused, or is to rest for hours, gets no second call
    std::printf("%-28s %-17s %-18s %9.1f %6lld ms\n", c.fault->name.c_str(), c.kind.c_str(),
                outcome.c_str(), static_cast<double>(requests) / calls_each,
                static_cast<long long>(longest.count()));
  }
}

} // namespace

TEST_CASE("llm_wall with faults 27 to 36 and 38 and 39: "
          "the caller has the whole answer or one clean error") {
  expect_clean_answers(false);
}

TEST_CASE("llm_wall with faults 27 to 36 and 38 and 39: the same of answers that are streamed") {
  expect_clean_answers(true);
}

TEST_CASE("llm_wall with faults 27 to 36 and 38 and 39: "
          "once the provider is well so is every model") {
  wall_test t{GENERATE(false, true)};
  t.ask_all("before", 1);

  t.heal();

  // A breaker may be open and a key may rest.
  auto until = std::chrono::steady_clock::now() + call_max;
  std::set<const wall_case*> ill;
  for (const auto& c : wall_cases())
    if (c.fault->name != "retry_after_of_hours") // it is taken at its word
      ill.insert(&c);
  while (!ill.empty() && std::chrono::steady_clock::now() < until) {
    std::vector<asked> round;
    for (const auto* c : ill)
      round.push_back(t.ask(*c, "after " + c->model()));
    t.wait_for(round);
    for (const auto& a : round)
      if (a.outcome == "whole")
        ill.erase(a.on);
  }
  for (const auto* c : ill)
    FAIL_CHECK(c->model() << " is still ill");
}
