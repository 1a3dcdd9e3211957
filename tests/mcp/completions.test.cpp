// The npm `openai` client as it is, against the agents of a real troupe.

#include "runtime/core/json.hpp"
#include "tests/chaos/process.hpp"
#include "tests/mcp/ground.hpp"
#include "tests/support/http.hpp"

#include <boost/json/value.hpp>

#include <sstream>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::string_view topology = R"(
[troupe]
name = "completions"
[store]
kind = "memory"
[gateway]
listen = "127.0.0.1:PORT"
token = "${TOKEN}"
[agents.desk]
class = "chat"
model = "fast"
system = "You help."
tools = ["orders"]
[agents.kept]
class = "chat"
model = "fast"
system = "You help."
tools = ["orders"]
key = "conversation"
[tools.orders]
kind = "command"
argv = ["echo", '{"state":"shipped"}']
effect = "read"
description = "looks an order up"
input_schema = '{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}'
[models.fast]
kind = "scripted"
script = "model.json"
)";

constexpr std::string_view model = R"({
  "chunk_ms": 5,
  "rules": [
    {"when": {"last": ["what did I say"], "contains": ["Ada"]}, "answer": "You are Ada."},
    {"when": {"last": ["what did I say"]}, "answer": "Nothing yet."},
    {"when": {"last": ["shipped"]}, "answer": "Your parcel was shipped today."},
    {"when": {"last": ["where"]}, "answer": "Let me look.",
     "tool_calls": [{"name": "orders", "arguments": {"id": "o-1"}}]},
    {"when": {"last": ["weather"]},
     "tool_calls": [{"name": "weather", "arguments": {"city": "Bonn"}}]},
    {"when": {"last": ["14 degrees"]}, "answer": "It has 14 degrees in Bonn."},
    {"when": {"last": ["story"]}, "answer": "STORY"}
  ],
  "otherwise": "One two three four five."
})";

std::string replaced(std::string_view text, std::string_view what, const std::string& by) {
  auto out = std::string{text};
  out.replace(out.find(what), what.size(), by);
  return out;
}

/// What the client said under this name, as an object.
boost::json::object said(const std::string& out, boost::json::string_view what) {
  std::istringstream lines{out};
  for (std::string line; std::getline(lines, line);)
    if (auto parsed = parse_json(line); parsed && parsed->as_object().at("what").as_string() == what)
      return parsed->as_object();
  FAIL("the client did not say: " << what);
  return {};
}

} // namespace

TEST_CASE("the openai client of npm talks with an agent, streaming and not, with tools") {
  scratch_folder folder;
  auto port = free_port();
  std::string story;
  for (int i = 0; i < 400; ++i)
    story += "and then ";
  std::ofstream{folder / "topology.toml"} << replaced(topology, "PORT", std::to_string(port));
  std::ofstream{folder / "model.json"} << replaced(model, "STORY", story);
  auto base = "http://127.0.0.1:" + std::to_string(port);
  troupe_process troupe{{"run", folder / "topology.toml"}, {"TOKEN=sesame"}};
  http_peer peer{base};
  auto token = net::http_headers{{"Authorization", "Bearer sesame"}};
  for (int i = 0; i < 2'000 && peer.get("/readyz").status != 200; ++i)
    std::this_thread::yield();

  troupe_process client{{"node", server_file("openai_client.mjs"), base + "/v1", "sesame"},
                        {}, "/usr/bin/env"};
  auto end = client.wait();

  INFO(end.out << end.err);
  REQUIRE(end.exit_code == 0);
  CHECK(said(end.out, "models").at("ids").as_array().size() == 2);
  CHECK(said(end.out, "model").at("id") == "desk");
  auto whole = said(end.out, "whole");
  CHECK(whole.at("text") == "One two three four five.");
  CHECK(whole.at("reason") == "stop");
  CHECK(whole.at("tokens").to_number<int>() > 0);
  auto stream = said(end.out, "stream");
  CHECK(stream.at("text") == "Let me look.\n\nYour parcel was shipped today.");
  CHECK(stream.at("chunks").to_number<int>() > 5);
  CHECK(stream.at("reason") == "stop");
  CHECK(stream.at("tokens").to_number<int>() > 0);
  auto tool = said(end.out, "tool");
  CHECK(tool.at("reason") == "tool_calls");
  CHECK(tool.at("name") == "weather");
  CHECK(tool.at("city") == "Bonn");
  CHECK(said(end.out, "tool result").at("text") == "It has 14 degrees in Bonn.");
  CHECK(said(end.out, "streamed tool").at("name") == "weather");
  CHECK(said(end.out, "streamed tool").at("reason") == "tool_calls");
  auto stateless = said(end.out, "stateless");
  CHECK(stateless.at("whole") == "You are Ada.");
  CHECK(stateless.at("alone") == "Nothing yet.");
  CHECK(stateless.at("streamed") == "Let me look.\n\nYour parcel was shipped today.");
  CHECK(stateless.at("city") == "Bonn");
  auto kept = said(end.out, "kept");
  CHECK(kept.at("whole") == "You are Ada.");
  CHECK(kept.at("streamed") == "You are Ada.");
  CHECK(kept.at("header") == "You are Ada.");
  CHECK(kept.at("other") == "Nothing yet.");
  auto wrong = said(end.out, "wrong");
  CHECK(wrong.at("status") == 400);
  CHECK(wrong.at("param") == "messages[0].role");
  auto unknown = said(end.out, "unknown");
  CHECK(unknown.at("status") == 404);
  CHECK(unknown.at("type") == "invalid_request_error");
  CHECK(unknown.at("not_found") == true);
  CHECK(said(end.out, "refused").at("known") == true);

  auto cancelled = [&] {
    return peer.get("/v1/invocations?status=cancelled", token).body.find("\"id\":")
           != std::string::npos;
  };
  for (int i = 0; i < 2'000 && !cancelled(); ++i)
    std::this_thread::yield();
  CHECK(cancelled());
}
