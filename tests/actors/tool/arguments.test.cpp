// Models get arguments wrong all the time. Whatever kind of tool it is: the tool never sees them,
// and the model is told what to write instead.

#include "actors/tool/function_tool.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/net/http_client.hpp"
#include "tests/actors/actor_stage.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr auto schema = R"({"type":"object","required":["queue","n"],"properties":{
  "queue":{"enum":["billing","technical"]},"n":{"type":"integer","minimum":1}}})";

struct filing {
  std::string queue;
  int n = 0;
};
BOOST_DESCRIBE_STRUCT(filing, (), (queue, n))

int filed = 0;

TROUPE_TOOL(test_filing, [](const filing&) { ++filed; })

tool_options function() {
  tool_options o;
  o.name = "test_filing";
  return o;
}

tool_options http() {
  auto o = function();
  o.kind = tool_kind::http;
  o.http.url = "http://127.0.0.1:1/{queue}"; // a request that is sent would be `unavailable`
  return o;
}

tool_options command() {
  auto o = function();
  o.kind = tool_kind::command;
  o.command.argv = {"false", "{queue}"}; // a program that is run would be `failed`
  return o;
}

error refusal(tool_options options, std::string arguments) {
  net::http_client client;
  actor_stage stage;
  auto parts = make_tool_parts(options, stage.env, client).value();
  tool_setup setup{.env = stage.env, .options = options, .parts = parts, .timer = stage.timer};
  auto aut = stage.keep(spawn_tool(stage.system(), std::move(setup)).value());
  call_request r;
  r.body = std::move(arguments);
  r.key = "k";
  auto answer = stage.call(aut, std::move(r));
  REQUIRE(answer->reply);
  REQUIRE_FALSE(answer->reply->outcome);
  return answer->reply->outcome.error();
}

bool has(const error& e, std::string_view part) {
  return e.message.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("arguments that the schema refuses come back in words, from every kind of tool") {
  auto options = GENERATE(function(), http(), command());
  options.input_schema = schema;
  filed = 0;

  auto other_word = refusal(options, R"({"queue":"Billing","n":1})");
  auto missing = refusal(options, R"({"queue":"billing"})");
  auto other_type = refusal(options, R"({"queue":"billing","n":"one"})");
  auto too_small = refusal(options, R"({"queue":"billing","n":0})");
  auto no_json = refusal(options, R"({"queue":)");

  for (const auto& e : {other_word, missing, other_type, too_small, no_json}) {
    INFO(e.message);
    CHECK(e.code == errc::invalid_input);
    CHECK(e.outcome == certainty::definite);
    CHECK(e.message.starts_with("arguments: "));
  }
  CHECK(has(other_word, "/queue"));
  CHECK(has(other_word, "billing"));
  CHECK(has(missing, "n"));
  CHECK(has(other_type, "/n: expected integer"));
  CHECK(has(too_small, "/n"));
  CHECK(filed == 0);
}

TEST_CASE("without a schema the shape that the tool itself has is asked for") {
  filed = 0;

  auto wrong_type = refusal(function(), R"({"queue":7,"n":1})");
  auto no_path = refusal(http(), R"({"n":1})");
  auto no_argument = refusal(command(), R"({"n":1})");
  auto no_json = refusal(http(), "{");

  CHECK(has(wrong_type, "arguments: /queue: expected"));
  CHECK(has(no_path, "the arguments lack 'queue'"));
  CHECK(has(no_argument, "the arguments lack 'queue'"));
  CHECK(has(no_json, "arguments: "));
  for (const auto& e : {wrong_type, no_path, no_argument, no_json})
    CHECK(e.code == errc::invalid_input);
  CHECK(filed == 0);
}
