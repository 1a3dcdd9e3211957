// Every file of broken/ says at its top what must be found in it: all of that, and nothing else.
//   # env: NAME=value
//   # expect: LINE:COLUMN KEY: MESSAGE; HINT        (FILE:LINE:COLUMN for an included file)

#include "tests/config/support.hpp"

#include <algorithm>

namespace troupe::config::test {

namespace {

struct broken_file {
  std::vector<std::string> expected;
  variables env;
};

broken_file read_expectations(const std::filesystem::path& file) {
  broken_file out;
  std::istringstream in{slurp(file)};
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("# expect: ")) {
      out.expected.push_back(line.substr(10));
    } else if (line.starts_with("# env: ")) {
      auto equals = line.find('=');
      out.env[line.substr(7, equals - 7)] = line.substr(equals + 1);
    }
  return out;
}

/// `12:3 key: message`, with the file's name before it unless it is `file`.
std::string as_expected(const diagnostic& d, const std::filesystem::path& file) {
  auto folder = file.parent_path().string() + "/";
  auto text = to_string(d);
  for (auto at = text.find(folder); at != text.npos; at = text.find(folder))
    text.erase(at, folder.size());
  if (d.file == file.string())
    text.erase(0, file.filename().string().size() + 1);
  auto column = std::to_string(d.line) + ":" + std::to_string(d.column);
  return text.replace(text.find(column + ":"), column.size() + 1, column);
}

std::vector<std::filesystem::path> broken_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& one : std::filesystem::directory_iterator{room() / "broken"})
    if (one.path().extension() == ".toml")
      files.push_back(one.path());
  std::ranges::sort(files);
  return files;
}

} // namespace

TEST_CASE("each broken topology gives all of its errors, with line, key and remedy") {
  auto files = broken_files();
  REQUIRE(files.size() >= 14);

  for (const auto& file : files) {
    auto [expected, env] = read_expectations(file);
    auto parsed = load_topology(file, environment(env));

    INFO(file.filename().string() << "\n" << render(parsed.problems));
    std::vector<std::string> found;
    for (const auto& d : parsed.problems)
      found.push_back(as_expected(d, file));
    CHECK_FALSE(expected.empty());
    CHECK(found == expected);
    CHECK_FALSE(parsed);
  }
}

TEST_CASE("a diagnostic shows its line and points at the place") {
  auto parsed = parse("[agents.a]\n\tclas = 3\n");

  CHECK(render(parsed.problems)
        == "t.toml:2:2: agents.a.clas: unknown key; did you mean 'class'?\n"
           "  2 | \tclas = 3\n"
           "    | \t^\n"
           "1 error\n");
}

TEST_CASE("a caret counts characters, not bytes") {
  auto parsed = parse("[tools]\nt = { kind = \"http\", result = \"/ä\", url = 3 }\n");

  REQUIRE(parsed.problems.size() == 1);
  CHECK(parsed.problems[0].column == 43);
  CHECK(render(parsed.problems).find("    | " + std::string(42, ' ') + "^\n") != std::string::npos);
}

TEST_CASE("a file that is not there is one error") {
  auto parsed = load_topology(room() / "nowhere.toml", environment());

  REQUIRE(parsed.problems.size() == 1);
  CHECK(parsed.problems[0].message == "there is no such file");
  CHECK(load_topology(room(), environment()).problems.at(0).message == "cannot be read");
}

TEST_CASE("bytes that are not text are an error, not a crash") {
  std::string bytes;
  std::uint32_t seed = 1;
  for (int i = 0; i < 2'000; ++i)
    bytes += static_cast<char>((seed = seed * 1'664'525 + 1'013'904'223) >> 24);

  CHECK_FALSE(parse(bytes));
  for (auto text :
       {"[@]", "[", "[ ]", "[.]", "[[]]", "[a.]", "=", "a.=1", "\"", "a = {", "a=[[[", "\x01"})
    CHECK_FALSE(parse(text));
  CHECK_FALSE(parse(std::string(1'000, '[')));
  CHECK_FALSE(parse("a = " + std::string(100'000, '[')));
}

TEST_CASE("every prefix of a topology gives an answer") {
  auto text = slurp(room() / "valid/tools.toml");

  for (std::size_t n = 0; n < text.size(); ++n) {
    auto parsed = parse_topology(std::string_view{text}.substr(0, n), room() / "valid/tools.toml",
                                 environment({{"DESK_TOKEN", "x"}}));
    CHECK(parsed.value.has_value() == parsed.problems.empty());
  }
}

TEST_CASE("names are not missed where a file could not be read") {
  auto found = problems("[troupe]\ninclude = [\"none.toml\"]\n[agents.a]\ntools = [\"t\"]\n");

  CHECK(found
        == "2:12: troupe.include[0]: 'none.toml': there is no such file; relative paths start at "
           "this file's folder\n");
}

} // namespace troupe::config::test
