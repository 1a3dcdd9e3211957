#include "actors/memory/caller_context.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

using namespace troupe;

namespace {

std::string says(std::string_view role, std::string_view text) {
  return text_message(role, text);
}

/// A user's message of so many tokens, an answer of as many.
std::vector<std::string> talk(int turns, std::size_t tokens) {
  std::vector<std::string> out;
  for (int i = 0; i < turns; ++i) {
    out.push_back(says("user", fmt::format("{:0>{}}", i, 4 * (tokens - 4))));
    out.push_back(says("assistant", fmt::format("{:0>{}}", i, 4 * (tokens - 4))));
  }
  return out;
}

const std::string call = R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function",)"
                         R"("function":{"name":"f","arguments":"{}"}}]})";
const std::string brought = R"({"role":"tool","tool_call_id":"c","content":"found"})";

} // namespace

TEST_CASE("a caller's conversation is read in turns with their tools, its last one apart") {
  auto c = read_context({says("system", "a"), says("system", "b"), says("user", "one"), call, brought,
                         says("assistant", "1"), says("system", "c"), says("user", "two"),
                         says("user", "three"), call, brought});

  CHECK(c.before.size() == 2);
  REQUIRE(c.turns.size() == 2);
  CHECK(c.turns[0].size() == 5);
  CHECK(c.turns[1].size() == 1);
  CHECK(c.last == std::vector<std::string>{says("user", "three"), call, brought});
}

TEST_CASE("what no user has begun is a turn, too") {
  auto greeted = read_context({says("assistant", "Hello."), says("user", "one")});
  auto alone = read_context({says("system", "a"), says("assistant", "Hello.")});

  CHECK(greeted.turns.size() == 1);
  CHECK(greeted.last.size() == 1);
  CHECK(alone.turns.empty());
  CHECK(alone.last.size() == 1);
}

TEST_CASE("a caller's window slides in steps of half of it, and keeps to its bound") {
  std::vector<std::size_t> left;
  for (int n = 1; n <= 40; ++n) {
    auto c = read_context(talk(n, 50));
    auto fallen = slide(c, tokens_in(c.last), 1'000);
    std::int64_t all = tokens_in(c.last);
    for (const auto& t : c.turns)
      all += tokens_in(t);
    CHECK(all <= 1'000);
    CHECK(fallen.size() + c.turns.size() == static_cast<std::size_t>(n - 1));
    left.push_back(fallen.size());
  }

  CHECK(left[9] == 0); // ten turns of a hundred tokens
  CHECK(left[10] == 5);
  CHECK(left[14] == 5); // the same beginning, until the next step
  CHECK(left[15] == 10);
  CHECK(left[39] == 30);
}

TEST_CASE("the last turn of a caller stays, however long it is") {
  auto c = read_context(talk(3, 50));

  auto fallen = slide(c, 5'000, 1'000);

  CHECK(fallen.size() == 2);
  CHECK(c.turns.empty());
  CHECK(c.last.size() == 2);
}

TEST_CASE("what falls out of a caller's window is told as what was asked and answered") {
  auto c = read_context({R"({"role":"user","content":[{"type":"text","text":"Where "},)"
                         R"({"type":"text","text":"is it?"},{"type":"image_url","image_url":{"url":"x"}}]})",
                         call, brought, says("assistant", "Here."), says("user", "Thanks.")});

  auto fallen = halve(c);

  REQUIRE(fallen.size() == 1);
  CHECK(fallen[0].user == "Where is it?");
  CHECK(fallen[0].assistant == "Here.");
  CHECK(halve(c).empty());
}

TEST_CASE("pictures, calls and texts are all counted") {
  auto picture = R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,)"
                 + std::string(40'000, 'A') + R"("}}]})";

  CHECK(tokens_in({picture}) == image_tokens + 4);
  CHECK(tokens_in({call}) > 15);
  CHECK(tokens_in({says("user", std::string(400, 'a'))}) == 104);
}

TEST_CASE("results of tools are cut by halves until little is left, and keep their calls") {
  std::vector<std::string> turn{says("user", std::string(9'000, 'u')), call,
                                R"({"role":"tool","tool_call_id":"c","content":")"
                                  + std::string(2'000, 'r') + "\"}"};
  int times = 0;
  while (halve_results(turn, 256) && times < 100)
    ++times;

  CHECK(times == 2);
  CHECK(turn[0].size() > 9'000);
  CHECK(turn[2].find(R"("tool_call_id":"c")") != std::string::npos);
  CHECK(turn[2].size() < 600);
}
