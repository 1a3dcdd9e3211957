// What a person finds who asks, days later, why one request was answered as it was.
#include "tests/chaos/process.hpp"
#include "tests/support/openai_stub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace troupe::test {
namespace {

/// A model with a tool; what it answers must be an object.
std::string desk_topology(const scratch& folder, std::uint16_t port, const openai_stub& model) {
  return folder.write("t.toml", fmt::format(R"(
[troupe]
store = "t.db"
listen = "127.0.0.1:{}"
[agents.desk]
class = "chat"
model = "fast"
tools = ["orders"]
output = '{{"type":"object","properties":{{"state":{{"type":"string"}}}},"required":["state"]}}'
[tools.orders]
kind = "command"
argv = ["echo", '{{"state":"shipped"}}']
effect = "read"
input_schema = '{{"type":"object","properties":{{"id":{{"type":"string"}}}},"required":["id"]}}'
[models.fast]
kind = "openai"
model = "m"
base_url = "{}"
)",
                                             port, model.base_url()));
}

/// The names of the events of one invocation, in their order.
std::vector<std::string> events_of(const std::string& lines, const std::string& id) {
  std::vector<std::string> out;
  auto in = std::istringstream{lines};
  for (std::string line; std::getline(in, line);) {
    http_answer event;
    event.body = line;
    if (event.text("invocation") == id)
      out.push_back(event.text("event"));
  }
  return out;
}

std::size_t count_of(const std::vector<std::string>& all, std::string_view name) {
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), name));
}

TEST_CASE("the whole path of one request is in its events and its journal, also after kill -9") {
  scratch folder;
  openai_stub model;
  model.answer(200, R"({"model":"m","choices":[{"message":{"role":"assistant","content":null,)"
                    R"("tool_calls":[{"id":"c1","type":"function","function":{"name":"orders",)"
                    R"("arguments":"{\"id\":\"o-1\"}"}}]},"finish_reason":"tool_calls"}]})");
  model.say("It has left us: ```json\n{\"state\": \"on its way\"}\n```");
  auto port = free_port();
  auto file = desk_topology(folder, port, model);
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  std::string id;
  std::string log;
  {
    troupe_process first{{"run", file}};
    REQUIRE(first.says("troupe.ready"));
    auto got = peer.post("/v1/agents/desk/invocations", R"({"message":"Where is o-1?"})");
    INFO(got.body);
    REQUIRE(got.text("status") == "completed");
    id = got.text("id");
    REQUIRE(first.says("invocation.ended"));
    log = first.kill().err;
  }

  auto events = events_of(log, id);
  INFO(log);
  CHECK(count_of(events, "llm.call") == 2);
  CHECK(count_of(events, "tool.call") == 1);
  CHECK(count_of(events, "invocation.ended") == 1);
  CHECK(log.find("Where is o-1?") == std::string::npos); // contents are the journal's

  troupe_process second{{"run", file}};
  REQUIRE(second.says("troupe.ready"));
  auto journal = peer.get("/v1/invocations/" + id + "/journal").body;
  INFO(journal);
  std::size_t at = 0;
  for (std::string_view part : {
         "Where is o-1?",              // what was asked
         "orders", "o-1",              // what the model wanted to know, with its arguments
         "shipped",                    // what it was told
         "It has left us",             // what it said, word for word
         "on its way",                 // what was taken of that
         "ended",
       }) {
    INFO(part);
    at = journal.find(part, at);
    REQUIRE(at != std::string::npos);
  }
}

} // namespace
} // namespace troupe::test
