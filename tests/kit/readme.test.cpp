// The code in tests/README.md is cut from an example that is compiled and run.
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <sstream>
#include <string>

namespace {

std::string text_of(const std::string& file) {
  std::ifstream in{std::string{troupe::test::paths::source_dir} + "/" + file};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

} // namespace

TEST_CASE("the code in the guide to testing stands in the example that it is cut from") {
  const std::string fence = "```";
  auto guide = text_of("tests/README.md");
  std::string source;
  for (auto file : {"refund.cpp", "refund.test.cpp", "main.cpp", "CMakeLists.txt"})
    source += text_of(std::string{"examples/tested_agent/"} + file);

  int blocks = 0;
  for (std::string language : {"cpp", "cmake"})
    for (auto at = guide.find(fence + language + "\n"); at != std::string::npos;
         at = guide.find(fence + language + "\n", at + 1)) {
      auto begin = guide.find('\n', at) + 1;
      auto block = guide.substr(begin, guide.find(fence, begin) - begin);
      INFO(block);
      CHECK(source.find(block) != std::string::npos);
      ++blocks;
    }

  CHECK(blocks == 12);
}
