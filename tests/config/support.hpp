#pragma once
// What the tests of config/ share: texts as topologies, and an environment that a test writes down.

#include "config/topology.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace troupe::config::test {

using variables = std::map<std::string, std::string>;

inline env_lookup environment(variables values = {}) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional{it->second};
  };
}

inline std::filesystem::path room() {
  return std::filesystem::path{troupe::test::paths::source_dir} / "tests/config";
}

inline std::string slurp(const std::filesystem::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

inline parse_result parse(std::string_view text, variables values = {}) {
  return parse_topology(text, "t.toml", environment(std::move(values)));
}

/// The topology of a text that must be right.
inline topology require(std::string_view text, variables values = {}) {
  auto parsed = parse(text, std::move(values));
  INFO(render(parsed.problems));
  REQUIRE(parsed);
  return std::move(*parsed.value);
}

/// All that is wrong with a text, one a line, without the file's name.
inline std::string problems(std::string_view text, variables values = {}) {
  std::string all;
  for (const auto& d : parse(text, std::move(values)).problems)
    all += to_string(d).substr(std::string{"t.toml:"}.size()) + "\n";
  return all;
}

} // namespace troupe::config::test
