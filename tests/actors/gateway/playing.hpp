#pragma once
// A small cast behind real HTTP, in memory, for the tests of the gateway.

#include "config/cast.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http.hpp"

#include <string>

namespace troupe::test {

/// Agents: `double`, `approved` (waits for the signal `approve`), `talker` (emits, then waits for
/// `go`), `breaks` (fails until it is told otherwise), `pays` (an effect of unknown outcome),
/// `pays_twice` (two of them, side by side).
inline constexpr std::string_view gateway_topology = R"(
[troupe]
name = "gateway_test"
[store]
kind = "memory"
[gateway]
listen = "127.0.0.1:0"
[agents.double]
class = "gateway_double"
[agents.approved]
class = "gateway_approved"
[agents.talker]
class = "gateway_talker"
[agents.breaks]
class = "gateway_breaks"
[agents.pays]
class = "gateway_pays"
[agents.pays_twice]
class = "gateway_pays_twice"
[agents.narrow]
class = "gateway_approved"
concurrency = 1
depth_max = 1
[tools.bank]
kind = "function"
class = "gateway_bank"
effect = "at_most_once"
[tools.flaky]
kind = "function"
class = "gateway_flaky"
effect = "read"
attempts_max = 1
)";

class playing {
public:
  /// @param gateway further lines of `[gateway]`
  explicit playing(std::string_view gateway = {})
    : cast_(start(gateway)), peer("http://" + cast_->address()) {}

  /// Begins an invocation and gives its id.
  std::string begin(std::string_view agent, std::string input, net::http_headers headers = {}) {
    headers.add("Prefer", "respond-async");
    auto answer = peer.post("/v1/agents/" + std::string{agent} + "/invocations", std::move(input),
                            std::move(headers));
    INFO(answer.body << answer.failure);
    REQUIRE(answer.status == 202);
    return answer.text("id");
  }
  http_answer show(const std::string& id) { return peer.get("/v1/invocations/" + id); }

  /// Asks until `field` of the invocation is `value`; the actors are at work on other threads.
  http_answer until(const std::string& id, std::string_view field, std::string_view value) {
    for (int i = 0; i < 2'000; ++i)
      if (auto got = show(id); got.text(field) == value)
        return got;
    auto last = show(id);
    INFO(last.body);
    CHECK(last.text(field) == value);
    return last;
  }

  config::cast& cast() { return *cast_; }

private:
  static std::unique_ptr<config::cast> start(std::string_view gateway) {
    auto none = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
    auto text = std::string{gateway_topology};
    constexpr std::string_view before = "[agents.double]";
    text.insert(text.find(before), gateway);
    auto read = config::parse_topology(text, "t.toml", none);
    INFO(config::render(read.problems));
    REQUIRE(read);
    auto made = config::cast::start(std::move(*read.value));
    INFO((made ? std::string{} : made.error().message));
    REQUIRE(made);
    return std::move(*made);
  }

  std::unique_ptr<config::cast> cast_;

public:
  http_peer peer;
};

} // namespace troupe::test
