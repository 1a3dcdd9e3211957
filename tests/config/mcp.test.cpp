#include "tests/config/support.hpp"

namespace troupe::config::test {

using namespace std::chrono_literals;

TEST_CASE("an MCP server is read with what holds for all its tools and for some") {
  auto t = require(R"(
[mcp.fs]
argv = ["node", "server.js"]
trusted = true
allow = ["read_*"]
era = "legacy"
progress_max = "1m"
backoff.min = "1s"
[mcp.fs.defaults]
timeout = "9s"
result = "json"
[mcp.fs.tools.write_file]
effect = "idempotent"
concurrent = 2
[mcp.web]
url = "http://127.0.0.1:3001/mcp"
headers = { Authorization = "Bearer ${KEY}" }
)",
                   {{"KEY", "hush"}});

  const auto& fs = t.mcp.at("fs");
  CHECK(fs.argv == std::vector<std::string>{"node", "server.js"});
  CHECK(fs.trusted);
  CHECK(fs.era == mcp_era::legacy);
  CHECK(fs.progress_max == 1min);
  CHECK(fs.backoff.min == 1s);
  CHECK(fs.allows("read_file"));
  CHECK_FALSE(fs.allows("write_file"));
  CHECK(fs.of("anything").retry.timeout == 9s);
  CHECK_FALSE(fs.of("anything").mcp.effect_given);
  const auto& write = fs.of("write_file");
  CHECK(write.retry.timeout == 9s);
  CHECK(write.mcp.result == mcp_result::json);
  CHECK(write.effect == effect_class::idempotent);
  CHECK(write.mcp.effect_given);
  CHECK(write.concurrent == 2);
  CHECK(t.mcp.at("web").headers.at("Authorization").reveal() == "Bearer hush");
}

TEST_CASE("what is wrong with an MCP server is said with its place and the remedy") {
  auto said = problems(R"([mcp.fs]
argvv = ["node"]
[mcp.both]
argv = ["node"]
url = "http://127.0.0.1:1/mcp"
[mcp.odd]
url = "ftp://x"
tools_max = 0
[mcp.odd.defaults]
kind = "http"
[mcp.odd.tools.x]
timeuot = "1s"
)");

  CHECK(said.find("mcp.fs.argvv: unknown key; did you mean 'argv'?") != std::string::npos);
  CHECK(said.find("mcp.fs.argv: is missing, and so is url") != std::string::npos);
  CHECK(said.find("mcp.both.url: stands beside argv") != std::string::npos);
  CHECK(said.find("mcp.odd.url:") != std::string::npos);
  CHECK(said.find("mcp.odd.tools_max: is 0") != std::string::npos);
  CHECK(said.find("mcp.odd.defaults.kind: unknown key; its server says that") != std::string::npos);
  CHECK(said.find("mcp.odd.tools.x.timeuot: unknown key; did you mean 'timeout'?")
        != std::string::npos);
}

TEST_CASE("agents name the tools of a server that is there and a supervisor may have it") {
  constexpr std::string_view text = R"(
[agents.a]
tools = ["fs.read_file"]
[mcp.fs]
argv = ["server"]
[supervisors.outside]
children = ["mcp.fs"]
)";

  auto t = require(text);

  CHECK(t.supervisors.at("outside").children.at(0).id == "mcp.fs");
  CHECK(problems("[agents.a]\ntools = [\"fs.read_file\", \"fs.\"]\n").find("there is no tool")
        != std::string::npos);
}

TEST_CASE("a server that nobody supervises is a child of root") {
  auto t = require("[mcp.fs]\nargv = [\"server\"]\n");

  CHECK(t.supervisors.at("root").children.at(0).id == "mcp.fs");
}

} // namespace troupe::config::test
