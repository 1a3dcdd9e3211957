#include "actors/flow/chat_messages.hpp"
#include "actors/gateway/completions.hpp"
#include "runtime/core/schema.hpp"
#include "tests/actors/gateway/playing.hpp"
#include "tests/support/paths.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::gateway;
using namespace troupe::test;

namespace {

struct one_text {
  std::string question;
  std::optional<int> limit;
};
BOOST_DESCRIBE_STRUCT(one_text, (), (question, limit))

struct two_numbers {
  int a = 0;
  int b = 0;
};
BOOST_DESCRIBE_STRUCT(two_numbers, (), (a, b))

template <class In, class Out = chat_output>
completion_shape shape() {
  return completion_shape_of(schema_of<In>(), schema_of<Out>());
}

std::string request(std::string_view more, std::string_view said = "Where is it?") {
  return R"({"model":"desk","messages":[{"role":"user","content":")" + std::string{said} + "\"}]"
         + std::string{more} + "}";
}

template <class In>
std::string input(std::string_view body) {
  auto read = read_completion(body, shape<In>());
  return read ? read->input : "! " + read.error().message;
}

stream_chunk piece(std::string text, std::string stream = "0/0/-/1",
                   stream_kind what = stream_kind::text) {
  stream_chunk c;
  c.stream = std::move(stream);
  c.what = what;
  c.text = std::move(text);
  return c;
}

/// All `content` of chunks in the form of the protocol, joined.
std::string content_in(const std::string& events) {
  std::string out;
  constexpr std::string_view begin = R"("delta":{"content":)";
  for (auto at = events.find(begin); at != events.npos; at = events.find(begin, at + 1)) {
    auto rest = std::string_view{events}.substr(at + begin.size());
    out += from_json<std::string>(rest.substr(0, rest.find("},\"logprobs\""))).value();
  }
  return out;
}

/// One streamed answer, as its client sees it.
struct spoken {
  completion_stream to{{"chatcmpl-1", "desk", 7}, true, true};
  std::string out;

  bool says(const stream_chunk& c) { return to.piece(out, c); }
  std::string ends(std::string text) {
    completion_answer a;
    a.text = std::move(text);
    to.answer(out, a);
    return content_in(out);
  }
};

/// A cast with a model that streams, and a chat.
playing talking() {
  return playing{R"([agents.says]
class = "gateway_says"
[agents.desk]
class = "chat"
model = "fast"
tools = ["orders"]
[tools.orders]
kind = "command"
argv = ["echo", '{"state":"shipped"}']
effect = "read"
description = "looks an order up"
input_schema = '{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}'
[models.fast]
kind = "scripted"
script = ")" + std::string{paths::source_dir}
                 + R"(/tests/actors/gateway/words.script.json"
)"};
}

const std::string completions = "/v1/chat/completions";

} // namespace

// -- what a request means ------------------------------------------------------------------------

TEST_CASE("an agent that takes messages gets them, and what else it has a place for") {
  auto body = request(R"(,"temperature":0.5,"max_completion_tokens":9,"tools":[{"type":"function",)"
                      R"("function":{"name":"weather","parameters":{"type":"object"}}}],)"
                      R"("response_format":{"type":"json_schema","json_schema":{"name":"x",)"
                      R"("schema":{"type":"object"}}},"top_p":1)");

  auto got = from_json<chat_input>(input<chat_input>(body));

  REQUIRE(got);
  CHECK(got->messages->size() == 1);
  CHECK_FALSE(got->message);
  CHECK(got->tools->at(0).name == "weather");
  CHECK(got->schema->text == R"({"type":"object"})");
  CHECK(got->temperature == 0.5);
  CHECK(got->max_tokens == 9);
}

TEST_CASE("a conversation that the agent keeps is named in the metadata") {
  auto got = from_json<chat_input>(
    input<chat_input>(request(R"(,"metadata":{"conversation":"c-17"})")));

  REQUIRE(got);
  CHECK(got->conversation == "c-17");
  CHECK(got->message == "Where is it?");
  CHECK_FALSE(got->messages);
}

TEST_CASE("developers speak as the system") {
  auto body = R"({"model":"m","messages":[{"role":"developer","content":"Be brief."},)"
              R"({"role":"user","content":"Hi"}]})";
  CHECK(input<chat_input>(body).find(R"({"role":"system","content":"Be brief."})")
        != std::string::npos);
}

TEST_CASE("an agent that takes one text gets the last words of the user") {
  CHECK(input<one_text>(request("")) == R"({"question":"Where is it?"})");
  auto parts = R"({"model":"m","messages":[{"role":"user","content":"old"},{"role":"user","content":)"
               R"([{"type":"text","text":"new"},{"type":"image_url","image_url":{"url":"x"}}]},)"
               R"({"role":"assistant","content":"hm"}]})";
  CHECK(input<one_text>(parts) == R"({"question":"new"})");
}

TEST_CASE("an agent that takes anything else gets JSON, or the request is refused") {
  CHECK(input<two_numbers>(request("", R"({\"a\":1,\"b\":2})")) == R"({"a":1,"b":2})");
  CHECK(input<two_numbers>(request("")).find("takes JSON") != std::string::npos);
}

TEST_CASE("what an agent cannot do is refused") {
  auto tools = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
  CHECK(input<one_text>(request(tools)).starts_with("! /tools"));
  CHECK(input<one_text>(request(",\"n\":2")).starts_with("! /n"));
  CHECK(input<one_text>(R"({"model":"m","messages":[]})").starts_with("! /messages"));
  CHECK_FALSE(completion_model("{}"));
  CHECK_FALSE(completion_model("hello"));
}

// -- what an answer is ---------------------------------------------------------------------------

TEST_CASE("answers become messages with their reason and usage") {
  auto chat = completion_answer_of(
    R"({"text":"","finish":"tool_calls","calls":[{"id":"c1","name":"f","arguments":"{}"}],)"
    R"("input_tokens":3,"output_tokens":4})");
  auto json = completion_json({"chatcmpl-1", "desk", 7}, chat);

  CHECK(json.find(R"("content":null)") != std::string::npos);
  CHECK(json.find(R"("tool_calls":[{"id":"c1","type":"function","function":{"name":"f",)"
                  R"("arguments":"{}"}}])")
        != std::string::npos);
  CHECK(json.find(R"("finish_reason":"tool_calls")") != std::string::npos);
  CHECK(json.find(R"("total_tokens":7)") != std::string::npos);
  CHECK(parse_json(json));
  CHECK(completion_answer_of(R"({"text":"a","finish":"limit"})").finish_reason == "length");
  CHECK(completion_answer_of("\"plain\"").text == "plain");
  CHECK(completion_answer_of(R"({"queue":"billing"})").text == R"({"queue":"billing"})");
}

TEST_CASE("a streamed answer is said once, word by word") {
  spoken s;
  CHECK(s.says(piece("Hel")));
  CHECK(s.says(piece("lo")));

  CHECK(s.ends("Hello!") == "Hello!");
  CHECK(s.out.ends_with("data: [DONE]\n\n"));
  CHECK(s.to.over());
}

TEST_CASE("the next answer of a turn is its next paragraph") {
  spoken s;
  s.says(piece("Let me look."));
  s.says(piece("It ", "0/0/-/3"));
  s.says(piece("is here.", "0/0/-/3"));

  CHECK(s.ends("It is here.") == "Let me look.\n\nIt is here.");
}

TEST_CASE("a stream that begins anew goes on silently while it repeats itself") {
  spoken s;
  s.says(piece("Hello w"));
  s.says(piece("", "0/0/-/1", stream_kind::reset));
  CHECK(s.says(piece("Hel")));
  CHECK(s.says(piece("lo world")));

  CHECK(s.ends("Hello world") == "Hello world");
}

TEST_CASE("a stream that begins anew with other words ends with an error") {
  spoken s;
  s.says(piece("Hello"));
  s.says(piece("", "0/0/-/1", stream_kind::reset));

  CHECK_FALSE(s.says(piece("Good day")));
  CHECK(s.out.find("data: {\"error\":{") != std::string::npos);
  CHECK(s.out.find("[DONE]") == std::string::npos);
}

TEST_CASE("words of models are not those of an agent that answers with something else") {
  completion_stream to{{"chatcmpl-1", "desk", 7}, false,
                       shape<one_text, two_numbers>().talks};
  std::string out;
  to.piece(out, piece("thinking aloud"));
  CHECK(out.empty());
  CHECK(shape<one_text>().talks);
}

// -- over HTTP -----------------------------------------------------------------------------------

TEST_CASE("an agent answers as a model") {
  auto aut = talking();

  auto got = aut.peer.post(completions, R"({"model":"desk","messages":[{"role":"user","content":"hi"}]})");

  INFO(got.body);
  CHECK(got.status == 200);
  CHECK(got.text("object") == "chat.completion");
  CHECK(got.body.find(R"("content":"One two three four five.")") != std::string::npos);
  CHECK(got.body.find(R"("prompt_tokens")") != std::string::npos);
}

TEST_CASE("an agent streams as a model and tells of its tools in comments") {
  auto aut = talking();

  auto got = aut.peer.post(
    completions,
    R"({"model":"desk","stream":true,"messages":[{"role":"user","content":"where is o-1?"}]})");

  INFO(got.body);
  CHECK(content_in(got.body) == "Let me look.\n\nYour parcel was shipped today.");
  CHECK(got.body.find(": {\"event\":\"tool.started\"") != std::string::npos);
  CHECK(got.body.find(R"("finish_reason":"stop")") != std::string::npos);
  CHECK(got.body.ends_with("data: [DONE]\n\n"));
  auto chunks = std::string_view{got.body};
  CHECK(chunks.find("\"content\":\"Let \"") != std::string::npos);
}

TEST_CASE("tools of the caller are the caller's to carry out") {
  auto aut = talking();
  auto tools = R"("tools":[{"type":"function","function":{"name":"weather","parameters":)"
               R"({"type":"object","properties":{"city":{"type":"string"}}}}}])";

  auto got = aut.peer.post(
    completions, std::string{R"({"model":"desk","messages":[{"role":"user","content":"weather?"}],)"}
                   + tools + "}");

  INFO(got.body);
  CHECK(got.body.find(R"("finish_reason":"tool_calls")") != std::string::npos);
  CHECK(got.body.find(R"("name":"weather")") != std::string::npos);
}

TEST_CASE("agents are listed as models") {
  auto aut = talking();
  CHECK(aut.peer.get("/v1/models").body.find(R"({"id":"says","object":"model")")
        != std::string::npos);
  CHECK(aut.peer.get("/v1/models/says").text("id") == "says");
  CHECK(aut.peer.get("/v1/models/nobody").status == 404);
}

TEST_CASE("clients of Chat Completions get errors in their own form") {
  auto aut = talking();

  auto unknown = aut.peer.post(completions, R"({"model":"nobody","messages":[]})");
  auto wrong = aut.peer.post(completions, R"({"model":"desk","messages":[]})");
  auto method = aut.peer.get(completions);
  auto failed = aut.peer.post(completions,
                              R"({"model":"breaks","messages":[{"role":"user","content":"{}"}]})");

  for (const auto* got : {&unknown, &wrong, &method, &failed}) {
    INFO(got->body);
    CHECK(got->body.starts_with("{\"error\":{\"message\":"));
  }
  CHECK(unknown.status == 404);
  CHECK(wrong.status == 400);
  CHECK(method.status == 405);
  CHECK(failed.status >= 500);
  CHECK(failed.headers.value_or("x-should-retry", {}) == "false");
}

TEST_CASE("the same key is the same completion") {
  auto aut = talking();
  auto body = R"({"model":"says","messages":[{"role":"user","content":"hi"}]})";
  auto key = net::http_headers{{"Idempotency-Key", "k-1"}};

  auto first = aut.peer.post(completions, body, key);
  auto second = aut.peer.post(completions, body, key);
  auto other = aut.peer.post(
    completions, R"({"model":"says","messages":[{"role":"user","content":"ho"}]})", key);

  CHECK(first.text("id") == second.text("id"));
  CHECK(second.headers.value_or("Idempotent-Replayed", {}) == "true");
  CHECK(other.status == 422);
}

TEST_CASE("a client of Chat Completions that goes away takes its invocation with it") {
  for (bool stays : {false, true}) {
    playing aut{stays ? "cancel_on_disconnect = false\n" : ""};
    net::http_request r;
    r.method = "POST";
    r.url = "http://" + aut.cast().address() + completions;
    r.body = R"({"model":"approved","messages":[{"role":"user","content":"{}"}]})";
    r.proxy = std::string{};
    {
      net::http_client client;
      client.send(std::move(r), [](net::http_response_or_error) {});
      auto begun = [&] {
        return aut.peer.get("/v1/invocations?agent=approved").body.find("\"id\":")
               != std::string::npos;
      };
      for (int i = 0; i < 2'000 && !begun(); ++i) {
      }
    } // closes its connection
    auto listed = aut.peer.get("/v1/invocations?agent=approved").body;
    auto at = listed.find("\"id\":\"") + 6;
    auto id = listed.substr(at, listed.find('"', at) - at);

    if (stays) {
      aut.peer.post("/v1/invocations/" + id + "/signals/approve", R"({"text":"yes"})");
      aut.until(id, "status", "completed");
    } else {
      aut.until(id, "status", "cancelled");
    }
  }
}

TEST_CASE("followers of an invocation read the words of its model before its end") {
  auto aut = talking();
  auto id = aut.begin("says", R"({"text":"hi"})");

  auto got = aut.peer.get("/v1/invocations/" + id + "/events");

  INFO(got.body);
  auto delta = got.body.find("event: delta\ndata: {\"stream\":\"0/0/-/0\"");
  auto end = got.body.find("\"kind\":\"end\"");
  auto ended = got.body.find("event: ended");
  REQUIRE(delta != std::string::npos);
  CHECK(delta < end);
  CHECK(end < ended);
}
