#include "actors/llm/answer.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;

namespace {

schema_validator schema(std::string_view text) {
  auto s = schema_validator::compile(text);
  REQUIRE(s);
  return *s;
}

const auto with_queue = R"({"type":"object","properties":{"queue":{"type":"string"}},
                            "required":["queue"],"additionalProperties":false})";

std::string found(std::string_view text, std::string_view by = with_queue) {
  auto r = find_answer(text, schema(by));
  return r ? *r : "error: " + r.error().message;
}

} // namespace

TEST_CASE("an answer that is a JSON value is taken as it is spelled") {
  CHECK(found(R"({"queue":"billing"})") == R"({"queue":"billing"})");
  CHECK(found("\n { \"queue\" : \"billing\" } \n") == R"({ "queue" : "billing" })");
  CHECK(found("\"yes\"", R"({"type":"string"})") == "\"yes\"");
  CHECK(found("1.0", R"({"type":"integer"})") == "1.0");
}

TEST_CASE("code fences and words around the value are taken off") {
  CHECK(found("```json\n{\"queue\":\"a\"}\n```") == R"({"queue":"a"})");
  CHECK(found("Sure!\n```\n{\"queue\":\"a\"}\n```\nAnything else?") == R"({"queue":"a"})");
  CHECK(found("```\n42\n```", R"({"type":"integer"})") == "42");
  CHECK(found(R"(The verdict is {"queue":"a"}, I think.)") == R"({"queue":"a"})");
  CHECK(found(R"(As [said] before {sic}: {"queue":"a"})") == R"({"queue":"a"})");
}

TEST_CASE("a value that fits is found behind one that does not") {
  CHECK(found(R"(First [1], then {"queue":7}, so {"queue":"a"}.)") == R"({"queue":"a"})");
}

TEST_CASE("the complaint is about the first value") {
  CHECK(found(R"({"queue":7} and [1])").find("/queue") != std::string::npos);
  CHECK(found("I cannot say.") == "error: there is no JSON value in it");
  CHECK(found("") == "error: there is no JSON value in it");
}

TEST_CASE("a piece of a broken value is never the answer") {
  auto anything = R"({"type":"object"})";

  CHECK(found(R"({"outer":{"queue":"a"},"cut)", anything).rfind("error: ", 0) == 0);
  CHECK(found(R"({"outer":{"queue":"a"},"cut)").rfind("error: ", 0) == 0);
}

TEST_CASE("a value in another language's spelling is the answer where it fits") {
  CHECK(found("{'queue': 'a',}") == R"({"queue":"a"})");
  CHECK(found("It is {queue: 'a'} I think") == R"({"queue":"a"})");
  CHECK(found("```js\n{queue: \"a\", // the first one\n}\n```") == R"({"queue":"a"})");
  CHECK(found("{'queue': 7,}").rfind("error: ", 0) == 0);
}

TEST_CASE("prose full of brackets ends the search") {
  std::string text;
  for (int i = 0; i < 1'000; ++i)
    text += "[x] ";

  CHECK(found(text + R"({"queue":"a"})").rfind("error: ", 0) == 0);
}

TEST_CASE("the head of an answer ends between two characters") {
  CHECK(head_of("short") == "short");
  CHECK(head_of("aaé", 3) == "aa..");
  CHECK(head_of("aaé", 4) == "aaé");
}
