#include "actors/tool/mcp_wire.hpp"

#include "actors/tool/mcp_tool.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

using namespace troupe;

namespace {

mcp_tool tool_of(std::string_view definition, bool trusted = true) {
  auto read = read_mcp_tool(definition, trusted);
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  return *read;
}

mcp_tool plain_tool() {
  return tool_of(R"({"name":"t","inputSchema":{"type":"object"}})");
}

constexpr std::string_view strict = R"({"name":"t","inputSchema":{"type":"object"},"outputSchema":
  {"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}})";

} // namespace

TEST_CASE("a message is told apart by what it has") {
  auto all = read_rpc(R"([{"jsonrpc":"2.0","id":7,"result":{"a":1}},
                          {"jsonrpc":"2.0","id":"x","method":"ping"},
                          {"jsonrpc":"2.0","method":"notifications/progress","params":{}},
                          {"jsonrpc":"2.0","id":8,"error":{"code":-32601}}])", 1'000);

  REQUIRE(all);
  CHECK(all->at(0).number() == 7);
  CHECK(all->at(0).result == R"({"a":1})");
  CHECK(all->at(1).id == "\"x\"");
  CHECK(all->at(1).number() == 0);
  CHECK(all->at(2).id.empty());
  CHECK(all->at(3).failure->code == -32601);
}

TEST_CASE("what is not JSON-RPC is an error whatever it is") {
  for (auto text : {"", "hello", "{}", "7", R"({"id":1,"result":{}})", R"({"jsonrpc":"2.0"})",
                    R"({"jsonrpc":"1.0","id":1,"result":{}})", R"([{"jsonrpc":"2.0"}])", "{{{"})
    CHECK_FALSE(read_rpc(text, 1'000));
  rc::check([](const std::string& text) { (void)read_rpc(text, 1'000); });
}

TEST_CASE("the result is what is structured else the text else all of it") {
  auto t = plain_tool();
  auto outcome = [&](std::string_view result, mcp_result form = mcp_result::automatic) {
    return mcp_outcome(result, t, form).value();
  };
  constexpr std::string_view two
    = R"({"content":[{"type":"text","text":"[1,"},{"type":"text","text":"2]"}]})";
  constexpr std::string_view mixed
    = R"({"content":[{"type":"text","text":"a"},{"type":"image","data":"x"}]})";

  CHECK(outcome(R"({"content":[],"structuredContent":{"n":1.50}})") == R"({"n":1.50})");
  CHECK(outcome(two) == R"("[1,\n2]")");
  CHECK(outcome(two, mcp_result::json) == "[1,\n2]");
  CHECK(outcome(mixed) == R"([{"type":"text","text":"a"},{"type":"image","data":"x"}])");
  CHECK(outcome(mixed, mcp_result::text) == R"("a")");
  CHECK(outcome(two, mcp_result::content).front() == '[');
}

TEST_CASE("an answer that breaks its own promise may have happened") {
  auto t = tool_of(strict);
  for (auto result : {R"({"content":[]})", R"({"content":[],"structuredContent":{"n":"one"}})",
                      R"({"content":7})", "null"}) {
    auto outcome = mcp_outcome(result, t, mcp_result::automatic);
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().code == errc::schema_mismatch);
    CHECK(outcome.error().outcome == certainty::unknown);
  }
  CHECK(mcp_outcome(R"({"content":[],"structuredContent":{"n":1}})", t, mcp_result::automatic));
  CHECK(mcp_outcome(R"({"content":[],"isError":true})", t, mcp_result::automatic).error().code
        == errc::failed);
}

TEST_CASE("a tool that wants to ask somebody has failed") {
  auto outcome = mcp_outcome(R"({"resultType":"input_required","inputRequests":{}})", plain_tool(),
                             mcp_result::automatic);

  CHECK(outcome.error().code == errc::failed);
  CHECK(outcome.error().outcome == certainty::definite);
}

TEST_CASE("patterns of a server that is not trusted are not run") {
  constexpr std::string_view evil
    = R"({"name":"t","inputSchema":{"type":"object","properties":{
          "pattern":{"type":"string","pattern":"(a+)+$"}},
          "patternProperties":{"^x":{"type":"integer"}},"required":["pattern"]}})";

  auto aut = tool_of(evil, false);

  CHECK(aut.input_schema.find("(a+)+") == std::string::npos);
  CHECK(aut.input_schema.find("patternProperties") == std::string::npos);
  auto schema = schema_validator::compile(aut.input_schema).value();
  CHECK(schema.validate_text(R"({"pattern":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"})"));
  CHECK_FALSE(schema.validate_text("{}"));
  CHECK(tool_of(evil, true).input_schema.find("(a+)+") != std::string::npos);
}

TEST_CASE("arguments go into the headers that the schema marks") {
  auto t = tool_of(R"({"name":"t","inputSchema":{"type":"object","properties":{
    "region":{"type":"string","x-mcp-header":"Region"},
    "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
    "flag":{"type":"boolean","x-mcp-header":"Flag"}}}})");

  auto headers = argument_headers(t, R"({"region":"us-west1","deep":{"n":-7},"flag":null})");

  CHECK(headers.value_or("Mcp-Param-Region", "") == "us-west1");
  CHECK(headers.value_or("Mcp-Param-N", "") == "-7");
  CHECK_FALSE(headers.contains("Mcp-Param-Flag"));
}

TEST_CASE("values that cannot stand in a header are encoded as the protocol says") {
  CHECK(header_value("us-west1") == "us-west1");
  CHECK(header_value("Hello, \xE4\xB8\x96\xE7\x95\x8C") == "=?base64?SGVsbG8sIOS4lueVjA==?=");
  CHECK(header_value(" padded ") == "=?base64?IHBhZGRlZCA=?=");
  CHECK(header_value("line1\nline2") == "=?base64?bGluZTEKbGluZTI=?=");
  CHECK(header_value("=?base64?literal?=") == "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
}

TEST_CASE("tools with marks where they must not be are refused") {
  for (auto schema : {
         R"({"properties":{"a":{"type":"number","x-mcp-header":"A"}}})",
         R"({"properties":{"a":{"type":"string","x-mcp-header":"A b"}}})",
         R"({"properties":{"a":{"type":"string","x-mcp-header":"X"},
                           "b":{"type":"string","x-mcp-header":"x"}}})",
         R"({"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}})",
         R"({"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]})",
       })
    CHECK_FALSE(read_mcp_tool(std::string{R"({"name":"t","inputSchema":)"} + schema + "}", true));
}

TEST_CASE("names and schemas that cannot be used are refused with the reason") {
  CHECK_FALSE(read_mcp_tool(R"({"name":"a b","inputSchema":{}})", true));
  CHECK_FALSE(read_mcp_tool(R"({"name":"","inputSchema":{}})", true));
  CHECK_FALSE(read_mcp_tool(R"({"name":"t","inputSchema":7})", true));
  CHECK_FALSE(read_mcp_tool(R"({"name":"t"})", true));
  auto refused = read_mcp_tool(R"({"name":"t","inputSchema":{"$ref":"http://x.invalid/"}})", true);
  CHECK(refused.error().message.starts_with("inputSchema: "));
}
