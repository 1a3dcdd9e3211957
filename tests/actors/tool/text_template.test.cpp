#include "actors/tool/text_template.hpp"

#include "runtime/core/json.hpp"
#include "tests/support/catch.hpp"

#include <boost/json/value.hpp>

using namespace troupe;

namespace {

result<std::string> filled(std::string_view text, std::string_view arguments,
                           template_encoding encoding, std::string_view key = "k") {
  auto tree = parse_json(arguments).value();
  return text_template{text}.fill({tree, key}, encoding);
}

constexpr auto arguments = R"({"id":"a/b ?&#","n":7,"deep":{"er":"x"},"none":null,"dash":"é"})";

} // namespace

TEST_CASE("what stands in a URL cannot leave its place") {
  CHECK(filled("/t/{id}?n={n}", arguments, template_encoding::percent).value()
        == "/t/a%2Fb%20%3F%26%23?n=7");
  CHECK(filled("/{dash}", arguments, template_encoding::percent).value() == "/%C3%A9");
}

TEST_CASE("what stands in a body is JSON, and other braces stand for themselves") {
  CHECK(filled(R"({"a":{id},"b":{deep},"c":{none},"k":{idempotency_key}})", arguments,
               template_encoding::json)
          .value()
        == R"({"a":"a/b ?&#","b":{"er":"x"},"c":null,"k":"k"})");
}

TEST_CASE("what stands in an argv is one argument as it is") {
  CHECK(filled("--id={id}", arguments, template_encoding::plain).value() == "--id=a/b ?&#");
  CHECK(filled("{deep.er}", arguments, template_encoding::plain).value() == "x");
}

TEST_CASE("a field that is not there is named") {
  auto missing = filled("/{name}", arguments, template_encoding::percent);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == errc::invalid_input);
  CHECK(missing.error().message.find("'name'") != std::string::npos);

  CHECK_FALSE(filled("/{none}", arguments, template_encoding::percent));
  CHECK_FALSE(filled("/{idempotency_key}", arguments, template_encoding::percent, ""));
  CHECK_FALSE(filled("{x}", R"({"x":"a\u0000b"})", template_encoding::plain));
}
