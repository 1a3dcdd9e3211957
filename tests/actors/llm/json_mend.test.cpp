#include "actors/llm/json_mend.hpp"

#include "runtime/core/json.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

using namespace troupe;

namespace {

std::string mended(std::string_view text) {
  auto m = mend_json(text);
  return m ? m->text : "nothing";
}

bool is_json(std::string_view text) {
  json_reader in{text};
  return in.skip() && in.end();
}

} // namespace

TEST_CASE("what is JSON stays as it is, but for its blanks") {
  auto m = mend_json(R"( {"a" : [1, -2.5e3, true, null, "x\n\u00e9\"'"], "b": {}} rest)");

  REQUIRE(m);
  CHECK(m->text == R"({"a":[1,-2.5e3,true,null,"x\n\u00e9\"'"],"b":{}})");
  CHECK_FALSE(m->changed);
}

TEST_CASE("what JavaScript and Python write otherwise is read as it is meant") {
  CHECK(mended("{'a': 'it\\'s \"so\"'}") == R"({"a":"it's \"so\""})");
  CHECK(mended("{a: 1, $b_2: [1,2,],}") == R"({"a":1,"$b_2":[1,2]})");
  CHECK(mended("{\"a\": True, \"b\": None, \"c\": undefined}") == R"({"a":true,"b":null,"c":null})");
  CHECK(mended("[1, // one\n 2 /* two */]") == "[1,2]");
  CHECK(mended("{\"a\":\"two\nlines\"}") == "{\"a\":\"two\\u000alines\"}");
}

TEST_CASE("a bracket that is missing after a whole value is put there") {
  CHECK(mended(R"({"a":[{"b":1},{"c":"d"}])") == R"({"a":[{"b":1},{"c":"d"}]})");
  CHECK(mended(R"({"a":{"b":true)") == R"({"a":{"b":true}})");
}

TEST_CASE("what ends where something is lost is not guessed") {
  for (auto text : {R"({"a":"cut)", R"({"a":12)", R"({"a":)", R"({"a")", R"({"a":1,)", R"([)", R"({)",
                    R"({"a":tr)", "", "   ", "[1 2]", "{1:2}", R"({"a" "b"})", R"({"a":"\x"})",
                    R"({"a":"\u12)", "[+1]", "[01]", "NaN"})
    CHECK(mended(text) == "nothing");
}

TEST_CASE("a comment that has no end takes no member with it") {
  for (auto text : {R"({"approved": true // so far, "limit": 5})", R"({"ids":["a" // first, "b"]})",
                    R"({"ok": true /* note, "why": "x"})", R"(// {"a":1})",
                    // The line ends, and the brackets that were in it are missing.
                    "{\"approved\": true // so far, \"limit\": 5}\n", "[[1 // one], 2]\n]",
                    "{\"a\": 1, // one\n \"b\": true"})
    CHECK(mended(text) == "nothing");
  CHECK(mended("{\"a\": 1, // one\n \"b\": 2}") == R"({"a":1,"b":2})");
  CHECK(mended("{\"a\": 1, /* one */ \"b\": 2") == "nothing"); // a number may have lost digits
  CHECK(mended("{\"a\": 1, /* one */ \"b\": true") == R"({"a":1,"b":true})");
}

TEST_CASE("bytes that are no text, and half a character, are not guessed") {
  CHECK(mended("{'a': 'x\xF9y'}") == "nothing");
  CHECK(mended(R"(['\ud83d'])") == "nothing");
  CHECK(mended(R"(['\ude00\ud83d'])") == "nothing");
  CHECK(mended(R"(['\ud83d\ude00', 'ä'])") == R"(["\ud83d\ude00","ä"])");
}

TEST_CASE("brackets without end are refused") {
  CHECK(mended(std::string(mend_depth_max + 1, '[')) == "nothing");
  CHECK(mended(std::string(mend_depth_max, '[') + std::string(mend_depth_max, ']'))
        == std::string(mend_depth_max, '[') + std::string(mend_depth_max, ']'));
}

TEST_CASE("whatever is mended is JSON") {
  CHECK(rc::check([] {
    auto alphabet = std::string{"{}[]:,'\"\\ntrue12.-e_ \n/*u0"};
    auto text = *rc::gen::container<std::string>(rc::gen::elementOf(alphabet));
    if (auto m = mend_json(text))
      RC_ASSERT(is_json(m->text));
  }));
}
