#include "config/cast.hpp"
#include "actors/flow/dispatcher_messages.hpp"
#include "actors/tool/function_tool.hpp"
#include "config/plugins.hpp"
#include "runtime/core/agent.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/telemetry/metrics.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/config/support.hpp"

#include <caf/scoped_actor.hpp>

#include <atomic>
#include <future>

namespace troupe::config::test {
namespace {

struct word {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(word, (), (text))

class cast_echo final : public agent<word, word> {
  task<word> run(word in) override {
    auto got = co_await tool("shout").args(in).call<word>();
    if (!got)
      co_return std::move(got).error();
    co_return std::move(*got);
  }
};
TROUPE_AGENT(cast_echo)

class cast_waits final : public agent<word, word> {
  task<word> run(word) override {
    auto said = co_await signal<word>("say");
    if (!said)
      co_return std::move(said).error();
    co_return std::move(*said);
  }
};
TROUPE_AGENT(cast_waits)

word cast_shout(word in) {
  in.text += "!";
  return in;
}
TROUPE_TOOL(cast_shout, cast_shout)

std::atomic<int> cast_broken_calls{0};

result<word> cast_broken(word) {
  ++cast_broken_calls;
  return error{errc::unavailable, "down"};
}
TROUPE_TOOL(cast_broken, cast_broken)

result<word> cast_no_help(word) {
  return error{errc::not_found, "nothing of the kind"};
}
TROUPE_TOOL(cast_no_help, cast_no_help)

class cast_breaks final : public agent<word, word> {
  task<word> run(word in) override {
    auto got = co_await tool("broken").args(in).call<word>();
    if (!got)
      co_return std::move(got).error();
    co_return std::move(*got);
  }
};
TROUPE_AGENT(cast_breaks)

constexpr std::string_view text = R"(
[store]
kind = "memory"
[gateway]
listen = "127.0.0.1:0"
[agents.echo]
class = "cast_echo"
tools = ["shout"]
[agents.waits]
class = "cast_waits"
[tools.shout]
kind = "function"
class = "cast_shout"
effect = "pure"
)";

std::unique_ptr<cast> start(std::string_view toml, cast_options options = {}) {
  auto made = cast::start(require(toml), std::move(options));
  INFO((made ? std::string{} : made.error().message));
  REQUIRE(made);
  return std::move(*made);
}

/// Asks the dispatcher, from outside of all actors.
template <class Reply, class Message>
Reply ask(cast& c, Message m) {
  Reply reply;
  caf::scoped_actor self{c.system()};
  self->request(c.dispatcher(), std::chrono::seconds{10}, std::move(m))
    .receive([&](const Reply& r) { reply = r; },
             [&](const caf::error&) { FAIL("the dispatcher does not answer"); });
  return reply;
}

invoke_request request(std::string agent, std::string input, bool wait = true) {
  invoke_request r;
  r.agent = std::move(agent);
  r.input = std::move(input);
  r.wait = wait;
  return r;
}

TEST_CASE("a topology plays: an agent calls a tool and answers") {
  memory_sink events;
  cast_options options;
  options.events = &events;
  auto aut = start(text, std::move(options));

  auto reply = ask<invocation_reply>(*aut, request("echo", R"({"text":"hi"})"));

  REQUIRE(reply.value);
  CHECK(*reply.value == R"({"text":"hi!"})");
  CHECK(events.count("troupe.ready") == 1);
  CHECK(aut->address().starts_with("127.0.0.1:"));
  CHECK(aut->registry().expose().find("troupe_tool_calls_total{result=\"ok\",tool=\"shout\"} 1")
        != std::string::npos);
}

TEST_CASE("a topology of guards is read, and its tools play with them") {
  std::string guarded{text};
  guarded += R"(
attempts_max = 2
backoff_base = "1ms"
timeout = "2s"
breaker = { calls_min = 2, window = 4, failure_rate = 0.5, open_for = "5m", half_open_calls = 1 }
[agents.broken]
class = "cast_breaks"
tools = ["broken"]
[tools.broken]
kind = "function"
class = "cast_broken"
effect = "read"
concurrent = 2
queue = 3
attempts_max = 1
breaker = { calls_min = 2, window = 4, open_for = "5m" }
hedge = { enabled = true, after = "1s" }
[tools.broken.fallback]
cached = "1m"
function = "cast_no_help"
value = '{"text": "nothing"}'
)";
  memory_sink events;
  cast_options options;
  options.events = &events;
  auto aut = start(guarded, std::move(options));

  for (int i = 0; i < 4; ++i) {
    auto reply = ask<invocation_reply>(*aut, request("broken", R"({"text":"hi"})"));
    REQUIRE(reply.value);
    CHECK(*reply.value == R"({"text":"nothing"})");
  }

  CHECK(aut->played().tools.at("shout").breaker.half_open_calls == 1);
  CHECK(cast_broken_calls == 2); // then its breaker was open
  CHECK(events.count("tool.fallback") == 4);
  auto numbers = aut->registry().expose();
  CHECK(numbers.find("troupe_breaker_state{breaker=\"tool:broken\"} 2") != std::string::npos);
  CHECK(numbers.find("troupe_breaker_state{breaker=\"tool:shout\"} 0") != std::string::npos);
  CHECK(numbers.find("troupe_tool_fallbacks_total{from=\"value\",tool=\"broken\"} 4")
        != std::string::npos);
}

TEST_CASE("what is open when a cast stops goes on with the next one") {
  auto disk = std::make_shared<store::memory_disk>();
  auto on_disk = [&] {
    cast_options o;
    o.store = std::make_unique<store::memory_store>(disk, 1);
    o.http = false;
    return o;
  };
  auto first = start(text, on_disk());
  auto id = ask<invocation_reply>(*first, request("waits", R"({"text":""})", false)).id;
  CHECK(first->drain(std::chrono::milliseconds{50}) == 1);
  first.reset();

  auto second = start(text, on_disk());
  signal_request s;
  s.id = id;
  s.name = "say";
  s.value = R"({"text":"done"})";
  REQUIRE(ask<command_reply>(*second, std::move(s)).done);
  await_invocation a;
  a.id = id;
  auto reply = ask<invocation_reply>(*second, std::move(a));

  REQUIRE(reply.value);
  CHECK(*reply.value == R"({"text":"done"})");
}

TEST_CASE("a cast without HTTP has no address") {
  cast_options options;
  options.http = false;
  CHECK(start(text, std::move(options))->address().empty());
}

TEST_CASE("idle is told once all work is done") {
  auto aut = start(text);
  ask<invocation_reply>(*aut, request("echo", R"({"text":"hi"})"));

  std::promise<std::uint64_t> told;
  auto idle = told.get_future();
  aut->when_idle([&](std::uint64_t stuck) { told.set_value(stuck); });

  REQUIRE(idle.wait_for(std::chrono::seconds{10}) == std::future_status::ready);
  CHECK(idle.get() == 0);
}

TEST_CASE("code that is missing is named with its place and what there is") {
  auto broken = std::string{text} + "[agents.eco]\nclass = \"cast_ecko\"\n";

  auto made = cast::start(require(broken));

  REQUIRE(!made);
  CHECK(made.error().code == errc::invalid_input);
  INFO(made.error().message);
  CHECK(made.error().message.find("there is no agent class 'cast_ecko'; did you mean 'cast_echo'?")
        != std::string::npos);
  CHECK(made.error().message.find("t.toml:16:") != std::string::npos);
}

TEST_CASE("a plugin that is none is refused by name") {
  auto t = require(text);
  t.runtime.plugins = {room() / "valid/desk.toml", "nowhere.so"};

  auto problems = load_code(t);

  REQUIRE(problems.size() == 2);
  CHECK(problems[0].message.find("this is not a shared library") != std::string::npos);
  CHECK(problems[1].message.find("there is no such file") != std::string::npos);
}

TEST_CASE("a port that is taken is an error that says so") {
  auto first = start(text);
  auto t = require(text);
  auto address = first->address();
  t.gateway.port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));

  auto second = cast::start(std::move(t));

  REQUIRE(!second);
  CHECK(second.error().code == errc::unavailable);
}

} // namespace
} // namespace troupe::config::test
