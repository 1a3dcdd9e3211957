// The wall: agents ask models whose provider does everything that providers do, as two real
// processes. Whoever asks gets the whole answer or one clean error, in bounded time, for a bounded
// number of requests; never a part of an answer that looks whole.

#include "tests/chaos/llm_wall/wall_faults.hpp"
#include "tests/chaos/process.hpp"

#include <fmt/format.h>

#include <cstdio>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint64_t attempts_max = 5;
constexpr std::uint64_t calls_each = 2;
constexpr std::chrono::seconds call_max{30}; ///< `total_timeout` below, and a slow machine

struct wall_processes {
  explicit wall_processes() {
    REQUIRE(wall.says("port "));
    auto said = wall.err();
    wall_port = static_cast<std::uint16_t>(std::stoi(said.substr(said.find("port ") + 5)));
    port = free_port();
    troupe.emplace(std::vector<std::string>{"run", topology()});
    bool ready = troupe->says("troupe.ready");
    INFO(troupe->err());
    REQUIRE(ready);
  }

  std::string topology() const {
    auto text = fmt::format(R"(
[troupe]
plugins = ["{}"]
store = "t.db"
listen = "127.0.0.1:{}"
[agents.asker]
concurrency = 1000
)",
                            chaos_plugin(), port);
    for (const auto& f : wall_faults())
      text += fmt::format(R"([models.{0}]
kind = "openai"
model = "wall"
base_url = "http://127.0.0.1:{1}/{0}/v1"
timeout = "1s"
first_chunk_timeout = "1s"
stall_timeout = "1s"
total_timeout = "20s"
attempts_max = {2}
response_size_max = "256KiB"
backoff_base = "20ms"
backoff_throttled = "40ms"
backoff_max = "100ms"
breaker.open_for = "200ms"
limits.cooling = "50ms"
limits.cooling_max = "1s"
limits.set_aside = "300ms"
)",
                          f.name, wall_port, attempts_max);
    return folder.write("t.toml", text);
  }

  scratch folder;
  troupe_process wall{{}, {}, std::string{paths::build_dir} + "/bin/wall_server"};
  std::uint16_t wall_port = 0;
  std::uint16_t port = 0;
  std::optional<troupe_process> troupe;
};

/// One call, from its acceptance to its end.
struct asked {
  const wall_fault* fault = nullptr;
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
      for (const auto& f : wall_faults())
        out.push_back(ask(f, fmt::format("{} {} {}", round, f.name, i)));
    for (bool open = true; open;) {
      open = false;
      for (auto& a : out)
        if (a.outcome.empty())
          open = !look(a) || open;
      if (open)
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return out;
  }

  asked ask(const wall_fault& f, const std::string& text) {
    asked a;
    a.fault = &f;
    a.text = text;
    a.begun = std::chrono::steady_clock::now();
    net::http_headers headers;
    headers.add("Prefer", "respond-async");
    auto got = peer_.post("/v1/agents/asker/invocations",
                          fmt::format(R"({{"model":"{}","text":"{}","streams":{}}})", f.name, text,
                                      streams_),
                          headers);
    INFO(got.failure + got.body);
    REQUIRE(got.status == 202);
    a.id = got.text("id");
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

  std::uint64_t requests(const std::string& fault) {
    auto counts = wall_.get("/counts").json();
    const auto* n = counts.as_object().if_contains(fault);
    return n == nullptr ? 0 : n->to_number<std::uint64_t>();
  }

  void heal() { REQUIRE(wall_.post("/heal").status == 200); }

private:
  bool streams_;
  wall_processes both_;
  http_peer peer_{fmt::format("http://127.0.0.1:{}", both_.port)};
  http_peer wall_{fmt::format("http://127.0.0.1:{}", both_.wall_port)};
};

// Asks each model, and holds what came of it against the list. Prints a table.
void expect_clean_answers(bool streams) {
  wall_test t{streams};

  auto all = t.ask_all("first", calls_each);

  std::printf("%-28s %-18s %9s %9s\n", streams ? "fault (streamed)" : "fault", "outcome",
              "attempts", "longest");
  for (const auto& f : wall_faults()) {
    auto requests = t.requests(f.name);
    auto allowed = (f.attempts == 0 ? attempts_max : f.attempts) * calls_each;
    std::string outcome;
    std::chrono::milliseconds longest{};
    for (const auto& a : all) {
      if (a.fault != &f)
        continue;
      INFO(f.name << ": " << a.outcome);
      CHECK(a.outcome == f.expect);
      outcome = a.outcome;
      longest = std::max(longest, a.took);
    }
    INFO(f.name << ": " << requests << " requests");
    CHECK(requests <= allowed);
    CHECK(requests >= 1); // a key that was refused, or is to rest for hours, gets no second call
    std::printf("%-28s %-18s %9.1f %6lld ms\n", f.name.c_str(), outcome.c_str(),
                static_cast<double>(requests) / calls_each,
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
  for (const auto& f : wall_faults()) {
    if (f.name == "retry_after_of_hours")
      continue; // it is taken at its word
    auto last = asked{};
    do {
      last = t.ask(f, "after " + f.name);
      while (!t.look(last))
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    } while (last.outcome != "whole" && std::chrono::steady_clock::now() < until);
    INFO(f.name);
    CHECK(last.outcome == "whole");
  }
}
