#include "actors/llm/script.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

std::string why(std::string_view text) {
  auto s = parse_script(text, "x.json");
  REQUIRE_FALSE(s);
  CHECK(s.error().code == errc::invalid_input);
  return s.error().message;
}

} // namespace

TEST_CASE("a script has rules, a sequence, an answer for the rest, latency and faults") {
  auto s = parse_script(R"({
    "latency_ms": [20, 60],
    "rules": [{"when": {"contains": ["T-1001", "Refund"]}, "answer": {"queue": "billing"},
               "usage": {"input_tokens": 494, "output_tokens": 148}, "times": 2}],
    "sequence": ["one", {"answer": "two", "usage": {"output_tokens": 1}}, {"answer": 1, "b": 2}],
    "otherwise": [1],
    "faults": [{"every": 13, "error": "rate_limited"}]})",
                        "x.json");

  if (!s)
    FAIL(s.error().message);
  CHECK(s->latency_min == 20ms);
  CHECK(s->latency_max == 60ms);
  REQUIRE(s->rules.size() == 1);
  CHECK(s->rules[0].contains == std::vector<std::string>{"t-1001", "refund"});
  CHECK(s->rules[0].answer.text == R"({"queue":"billing"})");
  CHECK(s->rules[0].answer.input_tokens == 494);
  CHECK(s->rules[0].times == 2);
  REQUIRE(s->sequence.size() == 3);
  CHECK(s->sequence[0].text == "one");
  CHECK(s->sequence[1].text == "two");
  CHECK(s->sequence[1].output_tokens == 1);
  CHECK(s->sequence[2].text == R"({"answer":1,"b":2})");
  REQUIRE(s->otherwise);
  CHECK(s->otherwise->text == "[1]");
  REQUIRE(s->faults.size() == 1);
  CHECK(s->faults[0].every == 13);
  CHECK(s->faults[0].how == script_error::rate_limited);
}

TEST_CASE("a scripted model can ask for tools, by what was said last") {
  auto s = parse_script(R"({
    "rules": [{"when": {"last": ["Parcel"]},
               "tool_calls": [{"name": "track", "arguments": {"id": 7}}, {"name": "now"}]}],
    "otherwise": {"answer": "Let me see.", "tool_calls": [{"name": "look"}]}})",
                        "x.json");

  if (!s)
    FAIL(s.error().message);
  CHECK(s->rules[0].contains.empty());
  CHECK(s->rules[0].last == std::vector<std::string>{"parcel"});
  using calls = std::vector<std::pair<std::string, std::string>>;
  CHECK(s->rules[0].answer.tool_calls == calls{{"track", R"({"id":7})"}, {"now", "{}"}});
  REQUIRE(s->otherwise);
  CHECK(s->otherwise->text == "Let me see.");
  CHECK(s->otherwise->tool_calls == calls{{"look", "{}"}});
  CHECK(why(R"({"rules":[{"when":{},"answer":1}]})")
        == "x.json: /rules/0/when/contains: expected at least one text; \"otherwise\" is for all the "
           "rest");
  CHECK(why(R"({"otherwise":{"tool_calls":[{}]}})")
        == "x.json: /otherwise/tool_calls/0/name: expected a text");
}

TEST_CASE("a mistake in a script is named with its place") {
  CHECK(why("{").rfind("x.json: ", 0) == 0);
  CHECK(why("[]") == "x.json: /: expected an object");
  CHECK(why(R"({"rulez":[]})")
        == "x.json: /rulez: unknown key; there are latency_ms, chunk_ms, rules, sequence, otherwise, faults");
  CHECK(why(R"({"rules":[{"answer":1}]})")
        == "x.json: /rules/0/when: is missing: what must the messages contain?");
  CHECK(why(R"({"rules":[{"when":{"contains":["a"]}}]})") == "x.json: /rules/0/answer: is missing");
  CHECK(why(R"({"rules":[{"when":{"contains":[""]},"answer":1}]})")
        == "x.json: /rules/0/when/contains/0: expected a text that is not empty");
  CHECK(why(R"({"rules":[{"when":{"contains":[]},"answer":1}]})").find("/rules/0/when/contains")
        != std::string::npos);
  CHECK(why(R"({"rules":[{"when":{"contains":["a"]},"answer":1,"times":0}]})")
        == "x.json: /rules/0/times: expected an integer from 1");
  CHECK(why(R"({"latency_ms":[60,20]})")
        == "x.json: /latency_ms: the second number is below the first");
  CHECK(why(R"({"latency_ms":-1})") == "x.json: /latency_ms: expected an integer from 0 to 600000");
  CHECK(why(R"({"faults":[{"every":3,"error":"tired"}]})")
        == "x.json: /faults/0/error: expected unavailable, rate_limited, timed_out or malformed");
  CHECK(why(R"({"faults":[{"error":"malformed"}]})")
        == "x.json: /faults/0/every: is missing: each how many requests?");
  CHECK(why(R"({"sequence":1})") == "x.json: /sequence: expected an array");
}

TEST_CASE("all mistakes of a script are told at once, up to ten") {
  auto two = why(R"({"sequence":1,"faults":2})");
  std::string many = R"({"faults":[1)";
  for (int i = 0; i < 30; ++i)
    many += ",1";

  CHECK(two == "x.json: /sequence: expected an array; /faults: expected an array");
  CHECK(why(many + "]}").find("and 21 more") != std::string::npos);
}

TEST_CASE("a script that is not there is not found") {
  auto s = load_script("no/such/file.json");

  REQUIRE_FALSE(s);
  CHECK(s.error().code == errc::not_found);
}

TEST_CASE("the script of the ticket desk can be read") {
  auto s
    = load_script(std::string{test::paths::source_dir} + "/examples/ticket_desk/fast.script.json");

  if (!s)
    FAIL(s.error().message);
  CHECK(s->rules.size() >= 47);
  CHECK(s->otherwise);
}
