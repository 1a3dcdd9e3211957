// Against the servers that others wrote: server-everything and server-filesystem from npm, and a
// server of the newer era on the protocol's own SDK (tests/mcp/modern_server.mjs).

#include "tests/mcp/ground.hpp"

#include <thread>

using namespace troupe;
using namespace troupe::test;

namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// server-everything, in one way or the other.
struct everything_server {
  std::unique_ptr<http_server_process> process;
  mcp_options options;

  explicit everything_server(bool http) {
    if (!http) {
      options = over_stdio({"node", everything(), "stdio"});
      return;
    }
    // It takes the port that it is given, so one that is free now.
    process = start(free_one());
    options = over_http(process->url());
  }
  static std::unique_ptr<http_server_process> start(std::uint16_t port) {
    return std::make_unique<http_server_process>(
      std::vector<std::string>{"node", everything(), "streamableHttp"}, port);
  }
  static std::uint16_t free_one() {
    http_server_process any{{"node", "-e",
                             "const s=require('net').createServer().listen(0,'127.0.0.1',()=>"
                             "{console.log('port '+s.address().port);s.close()})"}};
    return any.port();
  }
};

struct modern_server {
  std::unique_ptr<http_server_process> process;
  mcp_options options;

  explicit modern_server(bool http) {
    auto file = server_file("modern_server.mjs");
    if (http)
      process = std::make_unique<http_server_process>(
        std::vector<std::string>{"node", file, "http"});
    options = http ? over_http(process->url()) : over_stdio({"node", file});
    options.trusted = true;
  }
};

} // namespace

TEST_CASE("server-everything answers over stdio and over HTTP") {
  everything_server server{GENERATE(false, true)};

  client_ground aut{server.options};

  INFO(aut.status.why);
  REQUIRE(aut.status.up);
  CHECK(aut.status.tools > 8);
  CHECK(has(aut.said("mcp.up"), "2025-11-25"));
  CHECK(aut.call("echo", R"({"message":"hello"})").value() == R"("Echo: hello")");
  CHECK(has(aut.call("get-sum", R"({"a":2,"b":40})").value(), "42"));
  auto weather = aut.call("get-structured-content", R"({"location":"Chicago"})").value();
  CHECK(weather.front() == '{');
  CHECK(has(weather, "temperature"));
  CHECK(aut.call("get-tiny-image").value().front() == '[');
}

TEST_CASE("server-everything is never asked with arguments that its schema refuses") {
  everything_server server{false};
  client_ground aut{server.options};

  auto answer = aut.call("get-sum", R"({"a":"two","b":40})");

  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == errc::invalid_input);
  CHECK(has(answer.error().message, "/a: expected number, found string"));
}

TEST_CASE("progress of server-everything keeps a long call alive over stdio and over HTTP") {
  everything_server server{GENERATE(false, true)};
  server.options.defaults.retry.timeout = 1s;
  client_ground aut{server.options};

  auto answer = aut.call("trigger-long-running-operation", R"({"duration":3,"steps":10})");

  INFO((answer ? "" : answer.error().message));
  REQUIRE(answer);
  CHECK(has(*answer, "completed"));
}

TEST_CASE("a call of server-everything that takes too long is given up and the server goes on") {
  everything_server server{GENERATE(false, true)};
  server.options.defaults.retry.timeout = 1s;
  client_ground aut{server.options};

  auto late = aut.call("trigger-long-running-operation", R"({"duration":20,"steps":1})");
  auto next = aut.call("echo", R"({"message":"on"})");

  REQUIRE_FALSE(late);
  CHECK(late.error().code == errc::timed_out);
  CHECK(late.error().outcome == certainty::unknown);
  CHECK(next.value() == R"("Echo: on")");
}

TEST_CASE("server-filesystem reads and writes within its folder and says why not outside of it") {
  scratch_folder folder;
  auto options = over_stdio({"node", filesystem_server(), folder.path()});
  options.trusted = true;
  client_ground aut{options};
  INFO(aut.status.why);
  REQUIRE(aut.status.up);

  auto file = folder / "note.txt";
  auto written = aut.call("write_file", fmt::format(R"({{"path":"{}","content":"hello"}})", file));
  auto read = aut.call("read_text_file", fmt::format(R"({{"path":"{}"}})", file));
  auto outside = aut.call("read_text_file", R"({"path":"/etc/passwd"})");

  CHECK(written);
  CHECK(read.value() == R"({"content":"hello"})");
  CHECK(outside.error().code == errc::failed);
  CHECK(has(outside.error().message, "outside allowed directories"));
  CHECK(aut.class_of("read_text_file") == effect_class::read);
  CHECK(aut.class_of("write_file") == effect_class::idempotent);
  CHECK(aut.class_of("move_file") == effect_class::at_most_once);
}

TEST_CASE("a server of the newer era is spoken to in its way over stdio and over HTTP") {
  modern_server server{GENERATE(false, true)};
  server.options.defaults.retry.timeout = 1s;

  client_ground aut{server.options};

  INFO(aut.status.why);
  REQUIRE(aut.status.up);
  CHECK(has(aut.said("mcp.up"), "2026-07-28"));
  CHECK(has(aut.said("mcp.up"), "modern 1.0.0"));
  CHECK(aut.call("add", R"({"a":2,"b":3})").value() == R"({"sum":5})");
  CHECK(aut.class_of("add") == effect_class::read);
  CHECK(aut.call("region", R"({"where":"Köln"})").value() == R"("in Köln")");
  CHECK(aut.call("slow", R"({"steps":10})").value() == R"("10 steps")");
}

TEST_CASE("a tool that a server of the newer era adds can be called over stdio and over HTTP") {
  modern_server server{GENERATE(false, true)};
  client_ground aut{server.options};
  CHECK(aut.call("late").error().code == errc::not_found);

  REQUIRE(aut.call("grow"));
  result<std::string> late{error{}};
  for (auto until = std::chrono::steady_clock::now() + 15s;
       !late && std::chrono::steady_clock::now() < until;)
    late = aut.call("late");

  CHECK(late.value() == R"("here")");
}

TEST_CASE("a call that is given up ends at a server of the newer era over stdio and over HTTP") {
  modern_server server{GENERATE(false, true)};
  server.options.defaults.retry.timeout = 1s;
  server.options.progress_max = 1s;
  client_ground aut{server.options};

  auto late = aut.call("slow", R"({"steps":100})");
  result<std::string> aborted{error{}};
  for (auto until = std::chrono::steady_clock::now() + 10s;
       aborted.value_or("") != R"("1")" && std::chrono::steady_clock::now() < until;)
    aborted = aut.call("aborted");

  CHECK(late.error().code == errc::timed_out);
  CHECK(aborted.value() == R"("1")");
}

TEST_CASE("fault 42, death: a real server is killed in a call and is there for the next") {
  everything_server server{false};
  client_ground aut{server.options};
  REQUIRE(aut.status.up);
  auto pid = child_running("server-everything");
  REQUIRE(pid > 0);
  std::thread killer{[pid] {
    std::this_thread::sleep_for(500ms);
    ::kill(pid, SIGKILL);
  }};

  auto cut = aut.call("trigger-long-running-operation", R"({"duration":20,"steps":100})");
  killer.join();
  auto next = aut.call("echo", R"({"message":"again"})");

  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == errc::unavailable);
  CHECK(cut.error().outcome == certainty::unknown);
  CHECK(has(cut.error().message, "signal 9"));
  CHECK(next.value() == R"("Echo: again")");
}

TEST_CASE("fault 42, death: a real server dies after an effect that is not sent again") {
  scratch_folder folder;
  auto options = over_stdio({"node", server_file("rough_server.mjs")});
  options.probe_timeout = 1s;
  options.defaults.retry.attempts_max = 3;
  client_ground aut{options};
  REQUIRE(aut.status.up);

  auto cut = aut.call("die", fmt::format(R"({{"file":"{}"}})", folder / "effects"));

  CHECK(cut.error().outcome == certainty::unknown);
  CHECK(std::filesystem::file_size(folder / "effects") == 5); // "done" once
  CHECK(aut.call("echo", R"({"text":"back"})").value() == R"("back")");
}

TEST_CASE("fault 42, noise: a real server prints it and floods and keeps still") {
  ::setenv("ROUGH_TOKEN", "sesame-open-up", 1);
  auto options = over_stdio({"node", server_file("rough_server.mjs")});
  options.env.emplace_back("ROUGH_TOKEN");
  options.probe_timeout = 1s; // it does not know the question, and says nothing
  options.defaults.retry.timeout = 3s;
  client_ground aut{options};
  INFO(aut.status.why);
  REQUIRE(aut.status.up);

  CHECK(aut.call("echo", R"({"text":"clear"})").value() == R"("clear")");
  auto flood = aut.call("flood", R"({"bytes":50000000})");
  CHECK(flood.error().code == errc::output_too_large);
  CHECK(flood.error().outcome == certainty::unknown);
  CHECK(aut.call("silent").error().code == errc::timed_out);
  CHECK(aut.call("echo", R"({"text":"still"})").value() == R"("still")");

  CHECK(has(aut.said("mcp.noise"), "starting up"));
  CHECK(has(aut.said("mcp.stderr"), "my token is ***"));
  CHECK_FALSE(has(aut.said("mcp.stderr"), "sesame"));
}

TEST_CASE("fault 44, lost session: a real server forgets it and the call goes through") {
  everything_server server{true};
  client_ground aut{server.options};
  REQUIRE(aut.status.up);
  auto port = server.process->port();

  server.process.reset();
  server.process = everything_server::start(port);
  auto answer = aut.call("echo", R"({"message":"who are you"})");

  INFO((answer ? "" : answer.error().message));
  CHECK(answer.value_or("") == R"("Echo: who are you")");
  CHECK(aut.events.count("mcp.session_lost") == 1);
}

TEST_CASE("fault 44, version mismatch: a real server is named with its versions") {
  ::setenv("MODERN_SERVER_STRICT", "1", 1);
  auto options = over_stdio({"node", server_file("modern_server.mjs")});
  options.env.emplace_back("MODERN_SERVER_STRICT");
  options.era = mcp_era::legacy;

  client_ground aut{options};

  CHECK_FALSE(aut.status.up);
  CHECK(has(aut.status.why, "2026-07-28"));
}

TEST_CASE("a server whose program is not there is an error and not the end") {
  client_ground aut{over_stdio({"no-such-program-at-all"})};

  CHECK_FALSE(aut.status.up);
  CHECK(has(aut.status.why, "no-such-program-at-all"));
  CHECK(aut.call("anything", "{}", 2s).error().code == errc::unavailable);
}

TEST_CASE("an endpoint where nobody listens is an error and not the end") {
  client_ground aut{over_http(fmt::format("http://127.0.0.1:{}/mcp",
                                          everything_server::free_one()))};

  CHECK_FALSE(aut.status.up);
  CHECK(has(aut.status.why, "no connection"));
}
