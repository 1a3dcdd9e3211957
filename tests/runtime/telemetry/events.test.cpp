#include "runtime/telemetry/events.hpp"

#include "runtime/telemetry/sinks.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

class fixed_time final : public time_source {
public:
  utc_time now() const override { return utc_time{1'795'214'064s}; }
  steady_time steady() const override { return {}; }
};

event call_event() {
  event e;
  e.name = "tool.call";
  e.invocation = "inv-1";
  e.agent = "triage";
  e.service = "tool:ticketing";
  e.result = "ok";
  e.attempt = 2;
  e.latency = 1'234us;
  e.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
  e.span_id = "00f067aa0ba902b7";
  e.fields.emplace_back("status", "201");
  return e;
}

std::string dropped_line(int lines) {
  event lost;
  lost.lvl = level::warning;
  lost.name = "telemetry.dropped";
  lost.fields.emplace_back("lines", std::to_string(lines));
  return to_json_line(lost, fixed_time{}.now()) + "\n";
}

struct pipe_pair {
  pipe_pair() { REQUIRE(::pipe2(fds.data(), O_CLOEXEC) == 0); }
  ~pipe_pair() {
    ::close(fds[0]);
    ::close(fds[1]);
  }
  std::string read_some() {
    std::string text(1U << 20U, '\0');
    auto n = ::read(fds[0], text.data(), text.size());
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }
  std::array<int, 2> fds{};
};

} // namespace

TEST_CASE("an event becomes one line with its fields in a fixed order") {
  CHECK(to_json_line(call_event(), fixed_time{}.now())
        == R"({"ts":"2026-11-20T22:34:24.000000Z","level":"info","event":"tool.call",)"
           R"("trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7",)"
           R"("invocation":"inv-1","agent":"triage","tool":"ticketing","attempt":2,)"
           R"("latency_ms":1.234,"result":"ok","status":201})");
}

TEST_CASE("what an event does not have is not in its line") {
  event e;
  e.lvl = level::warning;
  e.name = "store.disk_full";

  CHECK(to_json_line(e, fixed_time{}.now())
        == R"({"ts":"2026-11-20T22:34:24.000000Z","level":"warning","event":"store.disk_full"})");
}

TEST_CASE("models and other services have fields of their own") {
  event e;
  e.service = "llm:fast";
  CHECK(to_json_line(e, {}).find(R"("llm":"fast")") != std::string::npos);
  e.service = "store";
  CHECK(to_json_line(e, {}).find(R"("service":"store")") != std::string::npos);
}

TEST_CASE("whatever a text holds, its line stays one line of JSON") {
  event e;
  e.result = "a\"b\\c\nd\x01\xff";

  auto line = to_json_line(e, {});

  CHECK(line.find('\n') == std::string::npos);
  CHECK(line.find(R"("result":"a\"b\\c\nd\u0001)") != std::string::npos);
}

TEST_CASE("a sink writes what is at or above its threshold") {
  pipe_pair ends;
  fixed_time clock;
  json_line_sink aut{ends.fds[1], level::info, clock};
  event quiet;
  quiet.lvl = level::debug;

  aut.write(quiet);
  aut.write(call_event());

  CHECK(ends.read_some() == to_json_line(call_event(), clock.now()) + "\n");
  CHECK(aut.dropped() == 0);
}

TEST_CASE("lines of several threads do not mix") {
  pipe_pair ends;
  fixed_time clock;
  json_line_sink aut{ends.fds[1], level::info, clock};
  auto line = to_json_line(call_event(), clock.now()) + "\n";
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&] {
      for (int n = 0; n < 500; ++n)
        aut.write(call_event());
    });

  std::string all;
  while (all.size() < line.size() * 2'000)
    all += ends.read_some();
  for (auto& writer : writers)
    writer.join();

  std::string expected;
  for (int i = 0; i < 2'000; ++i)
    expected += line;
  CHECK(all == expected);
}

TEST_CASE("a reader that does not keep up loses lines, but gets no half one as a whole") {
  pipe_pair ends;
  ::fcntl(ends.fds[1], F_SETFL, O_NONBLOCK);
  ::fcntl(ends.fds[1], F_SETPIPE_SZ, 4096);
  fixed_time clock;
  json_line_sink aut{ends.fds[1], level::info, clock};
  auto large = call_event();
  large.fields.emplace_back("text", '"' + std::string(10'000, 'x') + '"');

  aut.write(large);
  auto cut = ends.read_some();
  aut.write(call_event());
  auto next = ends.read_some();

  CHECK(aut.dropped() == 1);
  CHECK(cut.back() == 'x');
  CHECK(next == "\n" + dropped_line(1) + to_json_line(call_event(), clock.now()) + "\n");
}

TEST_CASE("a blocking pipe that nobody reads costs one wait, and the lines lost are told") {
  pipe_pair ends;
  ::fcntl(ends.fds[1], F_SETPIPE_SZ, 4096);
  fixed_time clock;
  json_line_sink aut{ends.fds[1], level::info, clock};
  auto line = to_json_line(call_event(), clock.now()) + "\n";

  while (aut.dropped() == 0)
    aut.write(call_event());
  auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i)
    aut.write(call_event());
  auto took = std::chrono::steady_clock::now() - began;
  auto before = ends.read_some();
  aut.write(call_event());
  auto after = ends.read_some();
  aut.write(call_event());

  CHECK(took < 2s);
  CHECK(before.size() % line.size() == 0);
  CHECK(aut.dropped() == 101);
  CHECK(after == dropped_line(101) + line);
  CHECK(ends.read_some() == line);
}

TEST_CASE("a line longer than a pipe takes at once reaches a reader whole") {
  pipe_pair ends;
  fixed_time clock;
  json_line_sink aut{ends.fds[1], level::info, clock};
  auto large = call_event();
  large.fields.emplace_back("text", '"' + std::string(1'000'000, 'x') + '"');
  auto line = to_json_line(large, clock.now()) + "\n";
  std::thread writer{[&] { aut.write(large); }};

  std::string all;
  while (all.size() < line.size())
    all += ends.read_some();
  writer.join();

  CHECK(all == line);
}

TEST_CASE("a descriptor that fails costs lines, not the process") {
  fixed_time clock;
  json_line_sink aut{-1, level::info, clock};

  aut.write(call_event());

  CHECK(aut.dropped() == 1);
}

TEST_CASE("an event goes to all sinks of a fan, and a memory keeps the latest") {
  memory_sink first{2};
  memory_sink second;
  fan_out_sink aut{{&first, &second}};
  auto e = call_event();

  for (int i = 1; i <= 3; ++i) {
    e.attempt = static_cast<std::uint32_t>(i);
    aut.write(e);
  }

  REQUIRE(first.events().size() == 2);
  CHECK(first.events().front().attempt == 2);
  CHECK(first.dropped() == 1);
  CHECK(second.count("tool.call") == 3);
  CHECK(second.count("llm.call") == 0);
  second.clear();
  CHECK(second.events().empty());
}
