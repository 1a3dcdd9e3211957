// The code in tests/README.md is cut from a test that runs.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <sstream>
#include <string>

namespace {

std::string text_of(const std::string& file) {
  std::ifstream in{std::string{troupe::test::paths::source_dir} + "/tests/" + file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

} // namespace

TEST_CASE("the code in the guide to testing stands in the test that it is cut from") {
  const std::string fence = "```";
  auto guide = text_of("README.md");
  auto source = text_of("kit/first_agent.test.cpp");

  int blocks = 0;
  for (auto at = guide.find(fence + "cpp\n"); at != std::string::npos;
       at = guide.find(fence + "cpp\n", at + 1)) {
    auto begin = guide.find('\n', at) + 1;
    auto block = guide.substr(begin, guide.find(fence, begin) - begin);
    INFO(block);
    CHECK(source.find(block) != std::string::npos);
    ++blocks;
  }

  CHECK(blocks == 4);
}
