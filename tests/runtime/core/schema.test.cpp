#include "runtime/core/schema.hpp"

#include "runtime/core/schema_validator.hpp"
#include "tests/support/catch.hpp"

#include <boost/json/value.hpp>

#include <thread>

namespace {

using namespace troupe;

enum class mood { calm, angry };
BOOST_DESCRIBE_ENUM(mood, calm, angry)

struct line {
  int n = 0;
  static constexpr member_doc docs[] = {{"", "one line"}, {"n", "how \"many\""}};
};
BOOST_DESCRIBE_STRUCT(line, (), (n))

struct answer {
  std::string text;
  std::vector<line> items;
  std::optional<double> score;
  std::optional<line> best;
  mood tone = mood::calm;
};
BOOST_DESCRIBE_STRUCT(answer, (), (text, items, score, best, tone))

struct tree {
  int value = 0;
  std::vector<tree> children;
};
BOOST_DESCRIBE_STRUCT(tree, (), (value, children))

struct forest {
  std::vector<tree> trees;
  std::optional<tree> favourite;
};
BOOST_DESCRIBE_STRUCT(forest, (), (trees, favourite))

struct odds {
  std::map<std::string, bool> flags;
  std::pair<int, std::string> two;
  std::array<float, 3> three{};
  std::chrono::milliseconds wait{};
  std::monostate nothing;
  boost::json::value any;
  raw_json raw;
};
BOOST_DESCRIBE_STRUCT(odds, (), (flags, two, three, wait, nothing, any, raw))

schema_validator compiled(std::string_view schema) {
  auto v = schema_validator::compile(schema);
  INFO((v ? std::string{} : v.error().message));
  REQUIRE(v);
  return *v;
}

std::string complaint(std::string_view schema, std::string_view json) {
  auto r = compiled(schema).validate_text(json);
  if (r)
    return "valid";
  CHECK(r.error().code == errc::schema_mismatch);
  return r.error().message;
}

std::string broken(std::string_view schema) {
  auto v = schema_validator::compile(schema);
  if (v)
    return "compiles";
  CHECK(v.error().code == errc::invalid_input);
  return v.error().message;
}

} // namespace

TEST_CASE("a struct's schema requires every member and allows no other") {
  CHECK(schema_of<answer>()
        == R"({"type":"object","properties":{"text":{"type":"string"},)"
           R"("items":{"type":"array","items":{"type":"object","properties":)"
           R"({"n":{"type":"integer","description":"how \"many\""}},"required":["n"],)"
           R"("additionalProperties":false,"description":"one line"}},)"
           R"("score":{"type":["number","null"]},)"
           R"("best":{"anyOf":[{"type":"object","properties":)"
           R"({"n":{"type":"integer","description":"how \"many\""}},"required":["n"],)"
           R"("additionalProperties":false,"description":"one line"},{"type":"null"}]},)"
           R"("tone":{"type":"string","enum":["calm","angry"]}},)"
           R"("required":["text","items","score","best","tone"],"additionalProperties":false})");
  CHECK(&schema_of<answer>() == &schema_of<answer>());
}

TEST_CASE("a recursive struct refers to itself") {
  CHECK(schema_of<tree>()
        == R"({"type":"object","properties":{"value":{"type":"integer"},)"
           R"("children":{"type":"array","items":{"$ref":"#"}}},)"
           R"("required":["value","children"],"additionalProperties":false})");
  CHECK(schema_of<forest>()
        == R"({"type":"object","properties":{"trees":{"type":"array","items":)"
           R"({"$ref":"#/$defs/t1"}},"favourite":{"anyOf":[{"$ref":"#/$defs/t1"},)"
           R"({"type":"null"}]}},"required":["trees","favourite"],"additionalProperties":false,)"
           R"("$defs":{"t1":{"type":"object","properties":{"value":{"type":"integer"},)"
           R"("children":{"type":"array","items":{"$ref":"#/$defs/t1"}}},)"
           R"("required":["value","children"],"additionalProperties":false}}})");
}

TEST_CASE("what is written for a struct matches its schema") {
  answer a{"x", {{1}, {2}}, std::nullopt, line{3}, mood::angry};
  CHECK(complaint(schema_of<answer>(), to_json(a)) == "valid");
  forest f{{{1, {{2, {}}}}}, tree{5, {}}};
  CHECK(complaint(schema_of<forest>(), to_json(f)) == "valid");
  odds o;
  o.flags = {{"a", true}};
  o.any = 1;
  CHECK(complaint(schema_of<odds>(), to_json(o)) == "valid");
  CHECK(complaint(schema_of<int>(), "5") == "valid");
}

TEST_CASE("a complaint is about the leaf and names its path") {
  const auto& s = schema_of<answer>();
  auto with = [](std::string_view items, std::string_view rest) {
    return R"({"text":"","items":)" + std::string{items} + R"(,"score":null,"best":)"
           + std::string{rest} + "}";
  };
  CHECK(complaint(s, with(R"([{"n":1},{"n":"x"}])", R"(null,"tone":"calm")"))
        == "/items/1/n: expected integer, found string");
  CHECK(complaint(s, with("[{}]", R"(null,"tone":"calm")")) == "/items/0/n: missing");
  CHECK(complaint(s, with("[]", R"({"n":1.5},"tone":"calm")"))
        == "/best/n: expected integer, found number");
  CHECK(complaint(s, with("[]", R"(true,"tone":"calm")"))
        == "/best: expected object or null, found boolean");
  CHECK(complaint(s, with("[]", R"(null,"tone":"bored")"))
        == "/tone: expected one of \"calm\", \"angry\", found another string");
  CHECK(complaint(s, with("[]", R"(null,"tone":"calm","it's":1)")) == "/it's: unknown property");
  CHECK(complaint(s, with("[]", "null")) == "/tone: missing");
  CHECK(complaint(s, "[]") == "/: expected object, found array");
  CHECK(complaint(s, "{") == "/: not JSON: expected a key at byte 1");
}

TEST_CASE("a complaint goes through references") {
  CHECK(complaint(schema_of<forest>(),
                  R"({"trees":[{"value":1,"children":[{"value":null,"children":[]}]}],)"
                  R"("favourite":null})")
        == "/trees/0/children/0/value: expected integer, found null");
}

TEST_CASE("the other constraints complain in words") {
  CHECK(complaint(R"({"type":"integer","minimum":3})", "2")
        == "/: expected number greater than or equal to 3");
  CHECK(complaint(R"({"type":"number","maximum":2.5})", "2.75")
        == "/: expected number less than or equal to 2.5");
  CHECK(complaint(R"({"type":"string","maxLength":2})", R"("abc")")
        == "/: string should be no more than 2 characters in length");
  CHECK(complaint(R"({"type":"string","pattern":"^a+$"})", R"("b")")
        == "/: expected a string that matches ^a+$");
  CHECK(complaint(R"({"const":"x"})", "1") == "/: expected \"x\", found another number");
  CHECK(complaint(R"({"properties":{"a/b":{"type":["string","null"]}}})", R"({"a/b":1})")
        == "/a~1b: expected string or null, found number");
  CHECK(complaint(R"({"anyOf":[{"required":["a"]},{"required":["b"]}]})", "{}") == "/a: missing");
  CHECK(complaint(R"({"properties":{"a":false}})", R"({"a":1})") != "valid");
  CHECK(complaint("false", "1") == "/: does not match the schema");
  CHECK(complaint("true", "1") == "valid");
}

TEST_CASE("a number without a fraction is an integer, in value and schema") {
  CHECK(complaint(R"({"type":"integer"})", "1.0") == "valid");
  CHECK(complaint(R"({"type":"array","items":{"type":"integer"}})", "[1,2e3]") == "valid");
  CHECK(complaint(R"({"type":"integer"})", "18446744073709551615") == "valid");
  CHECK(complaint(R"({"type":"number"})", "1") == "valid");
  CHECK(complaint(R"({"const":1.0})", "1") == "valid");
  CHECK(complaint(R"({"minItems":1.0})", "[]") != "valid");
  CHECK(complaint(R"({"type":"integer"})", R"("1")") == "/: expected integer, found string");
}

TEST_CASE("format is an annotation, but a property of that name is not") {
  CHECK(complaint(R"({"type":["string","null"],"format":"date"})", "null") == "valid");
  CHECK(complaint(R"({"type":"string","format":"date"})", R"("soon")") == "valid");
  CHECK(complaint(R"({"properties":{"format":{"type":"string"}}})", R"({"format":1})")
        == "/format: expected string, found number");
}

TEST_CASE("what is not a usable schema is refused when it is compiled") {
  CHECK(broken("{").starts_with("not a usable JSON Schema: /: not JSON"));
  CHECK(broken("[]") == "not a usable JSON Schema: expected an object");
  CHECK(broken(R"({"type":"text"})").find("text") != std::string::npos);
  CHECK(broken(R"({"type":7})") != "compiles");
  CHECK(broken(R"({"pattern":"("})").find("regular expression") != std::string::npos);
  CHECK(broken(R"({"patternProperties":{"[":{}}})").find("regular expression")
        != std::string::npos);
  CHECK(broken(R"({"$ref":"https://example.com/x.json"})").find("this document")
        != std::string::npos);
  CHECK(broken(R"({"$ref":"#/nowhere"})").find("this document") != std::string::npos);
  CHECK(broken(R"({"$ref":7})") != "compiles");
}

TEST_CASE("a schema that refers to itself without end is refused, a recursive one is not") {
  for (auto endless :
       {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"$ref":"#"}})",
        R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}})"}) {
    CAPTURE(endless);
    CHECK(broken(endless).ends_with("it refers to itself without end"));
  }
  CHECK(broken(R"({"properties":{"next":{"$ref":"#"}}})") == "compiles");

  std::string chain = R"({"$ref":"#/$defs/d0","$defs":{)";
  for (int i = 0; i < 5000; ++i)
    chain += "\"d" + std::to_string(i) + R"(":{"$ref":"#/$defs/d)" + std::to_string(i + 1) + "\"},";
  CHECK(broken(chain + R"("d5000":{}}})") != "compiles");
}

TEST_CASE("deep values and long strings do not exhaust the stack") {
  std::string deep;
  for (int i = 0; i < 31; ++i)
    deep += R"({"value":1,"children":[)";
  deep += R"({"value":"x","children":[]})";
  for (int i = 0; i < 31; ++i)
    deep += "]}";
  CHECK(complaint(schema_of<tree>(), deep).ends_with("/value: expected integer, found string"));

  auto v = compiled(R"({"type":"string","pattern":"^(a|b)*$"})");
  CHECK(v.validate_text('"' + std::string(schema_validator::pattern_subject_max, 'a') + '"'));
  auto r = v.validate_text('"' + std::string(schema_validator::pattern_subject_max + 1, 'a') + '"');
  REQUIRE_FALSE(r);
  CHECK(r.error().code == errc::output_too_large);

  auto beside = compiled(R"({"properties":{"id":{"pattern":"^a+$"},"body":{"type":"string"}}})");
  auto body = R"({"id":"a","body":")" + std::string(100'000, 'b') + "\"}";
  CHECK(beside.validate_text(body));
}

TEST_CASE("one validator serves many threads") {
  auto v = compiled(schema_of<forest>());
  auto good = to_json(forest{{{1, {{2, {}}}}}, std::nullopt});
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (auto& count : wrong)
    threads.emplace_back([&count, &v, &good] {
      for (int i = 0; i < 100; ++i) {
        count += v.validate_text(good) ? 0 : 1;
        count += v.validate_text(R"({"trees":[]})") ? 1 : 0;
      }
    });
  for (auto& t : threads)
    t.join();
  CHECK(wrong == std::vector<int>(4));
}
