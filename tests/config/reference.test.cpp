#include "config/reference.hpp"

#include "tests/config/support.hpp"

#include <iostream>

namespace troupe::config::test {

TEST_CASE("config/README.md lists exactly the keys that the reader knows") {
  auto readme = slurp(room() / "../../config/README.md");

  auto begin = readme.find("<!-- reference -->");
  auto end = readme.find("<!-- /reference -->");
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  begin += std::string{"<!-- reference -->\n"}.size();
  INFO("the tables of keys have changed: test_config \"[print]\" prints the new reference");
  CHECK(readme.substr(begin, end - begin) == reference_markdown());
}

TEST_CASE("the topologies in config/README.md are right") {
  auto readme = slurp(room() / "../../config/README.md");

  int seen = 0;
  for (auto at = readme.find("```toml\n"); at != readme.npos; at = readme.find("```toml\n", at)) {
    at += 8;
    auto text = readme.substr(at, readme.find("\n```", at) - at + 1);
    auto parsed = parse_topology(text, room() / "valid/readme.toml",
                                 environment({{"TICKETING_KEY", "x"}, {"TROUPE_TOKEN", "x"}}));
    INFO(text << render(parsed.problems));
    CHECK(parsed);
    ++seen;
  }
  CHECK(seen >= 1);
}

TEST_CASE("prints the reference for config/README.md", "[.print]") {
  std::cout << reference_markdown();
}

} // namespace troupe::config::test
