// What the README tells people to write stands in the example that a test builds and plays.

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <iterator>
#include <string>

namespace {

std::string read(const std::string& file) {
  std::ifstream in{std::string{troupe::test::paths::source_dir} + '/' + file, std::ios::binary};
  REQUIRE(in);
  return {std::istreambuf_iterator<char>{in}, {}};
}

void check_quoted(const std::string& file) {
  INFO(file);
  CHECK(read("README.md").find(read(file)) != std::string::npos);
}

} // namespace

TEST_CASE("the README shows the first agent's files as they are") {
  check_quoted("examples/first_agent/greeter.cpp");
  check_quoted("examples/first_agent/CMakeLists.txt");
  check_quoted("examples/first_agent/topology.toml");
  check_quoted("examples/first_agent/fast.script.json");
}

TEST_CASE("the README shows the chat's topology as it is") {
  auto topology = read("examples/chat/topology.toml");

  auto begin = topology.find("[agents.help]");
  auto end = topology.find("window_tokens", begin);

  REQUIRE(end != std::string::npos);
  CHECK(read("README.md").find(topology.substr(begin, end - begin)) != std::string::npos);
}

TEST_CASE("the README shows the ticket desk's agent as it is") {
  auto readme = read("README.md");
  auto source = read("examples/ticket_desk/triage.cpp");

  auto begin = source.find("class triage final");
  auto end = source.find("TROUPE_AGENT(triage)", begin);

  REQUIRE(end != std::string::npos);
  CHECK(readme.find(source.substr(begin, end - begin)) != std::string::npos);
}
