// Fault 37: what models do wrong when they call tools, as a server says it, whole and streamed.
#include "runtime/core/json.hpp"
#include "tests/actors/gateway/playing.hpp"
#include "tests/support/openai_stub.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <set>

using namespace troupe;
using namespace troupe::test;

namespace {

/// A call as the server spells it; without an id or arguments where they are empty.
struct said_call {
  std::string id;
  std::string name;
  std::string arguments;
};

using said_calls = std::vector<said_call>;

std::string call_json(const said_call& c, std::optional<std::size_t> index) {
  return fmt::format(R"({{{}{}"type":"function","function":{{"name":{},"arguments":{}}}}})",
                     index ? fmt::format(R"("index":{},)", *index) : "",
                     c.id.empty() ? "" : R"("id":)" + to_json(c.id) + ",", to_json(c.name),
                     to_json(c.arguments));
}

std::string all_json(const said_calls& calls, bool numbered) {
  std::string out;
  for (std::size_t i = 0; i < calls.size(); ++i)
    out += (i == 0 ? "" : ",") + call_json(calls[i], numbered ? std::optional{i} : std::nullopt);
  return out;
}

/// One answer that asks for these.
void say(openai_stub& model, bool streamed, const said_calls& calls) {
  if (!streamed) {
    model.answer(200, R"({"model":"m","choices":[{"message":{"role":"assistant","content":null,)"
                      R"("tool_calls":[)"
                        + all_json(calls, false) + R"(]},"finish_reason":"tool_calls"}]})");
    return;
  }
  model.answer(200, R"(data: {"model":"m","choices":[{"delta":{"tool_calls":[)" + all_json(calls, true)
                      + "]}}]}\n\n"
                        R"(data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]})"
                        "\n\ndata: [DONE]\n\n",
               {{"Content-Type", "text/event-stream"}});
}

/// One answer in words; held to a schema where it is not streamed.
void say(openai_stub& model, bool streamed, const std::string& text) {
  if (!streamed)
    model.say(text);
  else
    model.answer(200, R"(data: {"model":"m","choices":[{"delta":{"content":)" + to_json(text)
                        + "}}]}\n\n"
                          R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})"
                          "\n\ndata: [DONE]\n\n",
                 {{"Content-Type", "text/event-stream"}});
}

/// A chat with a tool; its answers are held to a schema where they are not streamed.
std::string topology(bool streamed, const openai_stub& model) {
  return fmt::format(R"([agents.desk]
class = "chat"
model = "fast"
tools = ["orders"]
{}
[tools.orders]
kind = "command"
argv = ["echo", '{{"state":"shipped"}}']
effect = "at_most_once"
input_schema = '{{"type":"object","properties":{{"id":{{"type":"string"}}}},"required":["id"]}}'
[models.fast]
kind = "openai"
model = "m"
base_url = "{}"
attempts_max = 1
)",
                     streamed ? "" : R"(output = '{"type":"object"}')", model.base_url());
}

/// A chat with a real endpoint, whose model says first these calls and then `done`.
struct asked_for {
  openai_stub model;
  http_answer got;

  asked_for(bool streamed, const said_calls& calls, const std::string& more_input = {}) {
    say(model, streamed, calls);
    say(model, streamed, streamed ? "done" : "{}");
    playing aut{topology(streamed, model)};
    auto input = more_input.empty() ? std::string{R"({"message":"go"})"}
                                    : R"({"messages":[{"role":"user","content":"go"}],)"
                                        + more_input + "}";
    got = aut.peer.post("/v1/agents/desk/invocations", input);
    journal = aut.peer.get("/v1/invocations/" + got.text("id") + "/journal").body;
  }

  std::string journal;

  /// What the model was told at last.
  boost::json::array messages() const {
    auto all = model.requests();
    REQUIRE(all.size() == 2);
    return parse_json(all.back().body)->as_object().at("messages").as_array();
  }
  /// The results that it got, and whether they belong to the calls that were said to it again.
  std::vector<std::string> results() const {
    std::vector<std::string> out;
    std::set<std::string> ids;
    for (const auto& m : messages()) {
      const auto& o = m.as_object();
      if (o.contains("tool_calls"))
        for (const auto& c : o.at("tool_calls").as_array())
          CHECK(ids.insert(std::string{c.as_object().at("id").as_string()}).second);
      if (o.at("role") != "tool")
        continue;
      CHECK(ids.erase(std::string{o.at("tool_call_id").as_string()}) == 1);
      out.emplace_back(o.at("content").as_string());
    }
    CHECK(ids.empty());
    return out;
  }
  /// The calls as they were said to it again.
  boost::json::array said_again() const {
    for (const auto& m : messages())
      if (m.as_object().contains("tool_calls"))
        return m.as_object().at("tool_calls").as_array();
    return {};
  }
  std::size_t made() const {
    std::size_t n = 0;
    for (auto at = journal.find("tool.started"); at != journal.npos;
         at = journal.find("tool.started", at + 1))
      ++n;
    return n;
  }
  bool ended_well() const {
    return got.status == 200 && got.text("status") == "completed";
  }
};

const std::string o1 = R"({"id":"o-1"})";

std::string name_of(const boost::json::value& call) {
  return std::string{call.as_object().at("function").as_object().at("name").as_string()};
}

} // namespace

TEST_CASE("fault 37, one id for two calls: each is made and answered under an id of its own") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"c", "orders", o1}, {"c", "orders", R"({"id":"o-2"})"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    CHECK(aut.results().size() == 2);
    CHECK(aut.made() == 2);
  }
}

TEST_CASE("fault 37, the same call twice: it is made once and both are answered") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"c1", "orders", o1}, {"c2", "orders", R"({ "id" : "o-1" })"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    CHECK(aut.made() == 1);
    auto results = aut.results();
    REQUIRE(results.size() == 2);
    CHECK(results[0].find("shipped") != std::string::npos);
    CHECK(results[1].find("shipped") != std::string::npos);
    CHECK(results[1].find("was made once") != std::string::npos);
  }
}

TEST_CASE("fault 37, arguments that are no JSON: mended or told, and never said again as they were") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"c1", "orders", "{id: 'o-1',}"}, {"c2", "orders", "o-1 please"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    CHECK(aut.made() == 1);
    auto results = aut.results();
    REQUIRE(results.size() == 2);
    CHECK(results[0].find("shipped") != std::string::npos);
    CHECK(results[1].find("not a JSON object") != std::string::npos);
    for (const auto& c : aut.said_again())
      CHECK(parse_json(c.as_object().at("function").as_object().at("arguments").as_string()));
  }
}

TEST_CASE("fault 37, arguments that do not fit the schema: the model hears where, nothing is done") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"c1", "orders", R"({"id":7})"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    auto results = aut.results();
    REQUIRE(results.size() == 1);
    CHECK(results[0].find("nothing was done") != std::string::npos);
    CHECK(results[0].find("/id") != std::string::npos);
  }
}

TEST_CASE("fault 37, an unknown tool: the model hears which there are, under a name that may be said") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"c1", "look up, please!", "{}"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    CHECK(aut.made() == 0);
    auto results = aut.results();
    REQUIRE(results.size() == 1);
    CHECK(results[0].find("There are: orders.") != std::string::npos);
    CHECK(name_of(aut.said_again().at(0)) == "look_up__please_");
  }
}

TEST_CASE("what a model said is in the journal word for word where it was mended or asked again") {
  openai_stub model;
  model.say("Certainly, no JSON.");
  model.say("Here you are:\n```json\n{}\n```");
  playing aut{topology(false, model)};

  auto got = aut.peer.post("/v1/agents/desk/invocations", R"({"message":"go"})");

  INFO(got.body);
  CHECK(got.text("status") == "completed");
  auto journal = aut.peer.get("/v1/invocations/" + got.text("id") + "/journal").body;
  auto first = journal.find("Certainly, no JSON.");
  auto second = journal.find("Here you are:");
  REQUIRE(second != std::string::npos);
  CHECK(journal.find("model_said") < first);
  CHECK(first < second);
}

TEST_CASE("fault 37, no id: each call gets one") {
  for (bool streamed : {false, true}) {
    asked_for aut{streamed, {{"", "orders", o1}, {"", "orders", R"({"id":"o-2"})"}}};

    INFO(aut.got.body);
    CHECK(aut.ended_well());
    CHECK(aut.results().size() == 2);
    CHECK(aut.made() == 2);
  }
}

TEST_CASE("fault 37, a thousand calls in one answer or one without a name: none is made") {
  said_calls many;
  for (int i = 0; i < 1'000; ++i)
    many.push_back({fmt::format("c{}", i), "orders", fmt::format(R"({{"id":"{}"}})", i)});
  said_calls nameless{{"c1", "orders", o1}, {"c2", "", "{}"}};
  for (bool streamed : {false, true})
    for (const auto& calls : {many, nameless}) {
      asked_for aut{streamed, calls};

      INFO(aut.got.body);
      CHECK(aut.got.text("status") == "failed");
      CHECK(aut.got.body.find("the model's answer cannot be read: ") != std::string::npos);
      CHECK(aut.made() == 0);
    }
}

TEST_CASE("fault 37, the caller's own tools: they get calls that they can read, or the model hears why") {
  const std::string tools = R"("tools":[{"name":"paint","parameters":{"type":"object",)"
                            R"("properties":{"c":{"type":"string"}},"required":["c"]}}])";
  for (bool streamed : {false, true}) {
    asked_for good{streamed, {{"c", "paint", "{c: 'red',}"}, {"c", "paint", R"({"c":"blue"})"}}, tools};
    asked_for bad{streamed, {{"c1", "paint", R"({"c":7})"}, {"c2", "paint", R"({"c":"red"})"}}, tools};

    auto out = parse_json(good.got.body)->as_object().at("result").as_object();
    CHECK(out.at("finish") == "tool_calls");
    auto calls = out.at("calls").as_array();
    REQUIRE(calls.size() == 2);
    CHECK(calls.at(0).as_object().at("arguments") == R"({"c":"red"})");
    CHECK(calls.at(0).as_object().at("id") != calls.at(1).as_object().at("id"));
    INFO(bad.got.body);
    CHECK(bad.ended_well());
    auto results = bad.results();
    REQUIRE(results.size() == 2);
    CHECK(results[0].find("/c") != std::string::npos);
    CHECK(results[1].find("Ask for it again") != std::string::npos);
  }
}

TEST_CASE("a caller that takes one call at a time gets one") {
  const std::string tools = R"("parallel_tool_calls":false,"tools":[{"name":"paint"}])";
  asked_for aut{true, {{"c1", "paint", R"({"c":"red"})"}, {"c2", "paint", R"({"c":"blue"})"}}, tools};

  auto out = parse_json(aut.got.body)->as_object().at("result").as_object();
  REQUIRE(out.at("calls").as_array().size() == 1);
  CHECK(out.at("calls").as_array().at(0).as_object().at("id") == "c1");
}
