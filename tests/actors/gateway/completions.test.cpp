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

struct one_text_kept {
  std::string customer;
  std::string question;
};
BOOST_DESCRIBE_STRUCT(one_text_kept, (), (customer, question))

struct two_numbers {
  int a = 0;
  int b = 0;
};
BOOST_DESCRIBE_STRUCT(two_numbers, (), (a, b))

template <class In, class Out = chat_output>
completion_shape shape(std::string_view key = {}) {
  return completion_shape_of(schema_of<In>(), schema_of<Out>(), key);
}

std::string request(std::string_view more, std::string_view said = "Where is it?") {
  return R"({"model":"desk","messages":[{"role":"user","content":")" + std::string{said} + "\"}]"
         + std::string{more} + "}";
}

/// @param header that of the conversation
template <class In>
std::string input(std::string_view body, std::string_view key = {}, std::string_view header = {}) {
  auto read = read_completion(body, shape<In>(key), header);
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
[agents.kept]
class = "chat"
model = "fast"
key = "conversation"
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

TEST_CASE("a conversation that the agent keeps is named in the body or in a header") {
  const std::string in_body = R"({"conversation":"c-17","message":"Where is it?"})";
  auto read = [](std::string_view more, std::string_view header = {}) {
    return input<chat_input>(request(more), "conversation", header);
  };

  CHECK(read(R"(,"metadata":{"conversation":"c-17"})") == in_body);
  CHECK(read(R"(,"conversation":"c-17")") == in_body);
  CHECK(read("", "c-17") == in_body);
  CHECK(read(R"(,"metadata":{"conversation":"c-17"})", "c-18") == in_body);
  CHECK(read(R"(,"user":"u-1")").starts_with(R"({"messages":)"));
  CHECK(read(R"(,"conversation":"")").starts_with("! /conversation: "));
  CHECK(read("", std::string(256, 'c')).starts_with("! /conversation: "));
}

TEST_CASE("an agent that keeps no conversations gets all messages whatever they are called") {
  CHECK(input<chat_input>(request(R"(,"conversation":"c-17")")).starts_with(R"({"messages":)"));
}

TEST_CASE("of a kept conversation only what its user says next is taken, pictures too") {
  auto read = [](std::string_view messages, std::string_view more = "") {
    return input<chat_input>(R"({"model":"m","conversation":"c","messages":[)" + std::string{messages}
                               + "]" + std::string{more} + "}",
                             "conversation");
  };
  auto parts = R"({"role":"system","content":"Be brief."},{"role":"user","content":)"
               R"([{"type":"text","text":"What is it?"},)"
               R"({"type":"image_url","image_url":{"url":"https://x/y.png"}}]})";

  CHECK(read(parts)
        == R"({"conversation":"c","message":"What is it?","images":["https://x/y.png"]})");
  CHECK(read(R"({"role":"user","content":"a"},{"role":"tool","tool_call_id":"c","content":"b"})")
          .starts_with("! /messages/1: the agent keeps this conversation"));
  CHECK(read(R"({"role":"user","content":"a"})", R"(,"tools":[{"function":{"name":"f"}}])")
          .starts_with("! /tools: the agent keeps this conversation"));
}

TEST_CASE("a keyed agent that takes one text is told which of its states is meant") {
  CHECK(input<one_text_kept>(request(R"(,"conversation":"c-1")"), "customer")
        == R"({"customer":"c-1","question":"Where is it?"})");
  CHECK(input<one_text_kept>(request(""), "customer").starts_with("! /conversation: is missing"));
}

TEST_CASE("a choice among the caller's tools reaches the agent") {
  auto tools = std::string{R"(,"tools":[{"type":"function","function":{"name":"f"}},)"
                           R"({"type":"function","function":{"name":"g"}}],"tool_choice":)"};
  auto read = [&](std::string_view choice) {
    auto got = input<chat_input>(request(tools + std::string{choice}));
    return got.starts_with('!') ? got : got.substr(got.find(R"("tools")"));
  };

  CHECK(read(R"("auto")") == R"("tools":[{"name":"f"},{"name":"g"}]})");
  CHECK(read(R"("required")")
        == R"("tools":[{"name":"f"},{"name":"g"}],"tool_choice":"required"})");
  CHECK(read(R"({"type":"function","function":{"name":"g"}})")
        == R"("tools":[{"name":"g"}],"tool_choice":"required"})");
  CHECK(read(R"({"type":"function","function":{"name":"h"}})").starts_with("! /tool_choice: "));
  CHECK(read(R"("any")").starts_with("! /tool_choice: "));
  CHECK(input<chat_input>(request(R"(,"tool_choice":"required")")).starts_with("! /tool_choice: "));
}

TEST_CASE("an answer in a form is asked for by its schema, or just as an object") {
  auto read = [](std::string_view format) {
    return input<chat_input>(request(R"(,"response_format":)" + std::string{format}));
  };
  auto form = R"({"type":"json_schema","json_schema":{"schema":{"type":"object"}}})";

  CHECK(read(R"({"type":"text"})").find("schema") == std::string::npos);
  CHECK(read(R"({"type":"json_object"})").ends_with(R"("schema":{"type":"object"}})"));
  CHECK(read(R"({"type":"json_schema"})").starts_with("! /response_format/json_schema/schema"));
  CHECK(read(R"({"type":"json_schema","json_schema":{"schema":{"type":7}}})")
          .starts_with("! /response_format/json_schema/schema: "));
  CHECK(read(R"({"type":"xml"})").starts_with("! /response_format/type"));
  CHECK(input<one_text>(request(R"(,"response_format":)" + std::string{form}))
          .starts_with("! /response_format"));
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
               R"([{"type":"text","text":"new"}]},{"role":"assistant","content":"hm"}]})";
  CHECK(input<one_text>(parts) == R"({"question":"new"})");
  auto image = R"({"model":"m","messages":[{"role":"user","content":)"
               R"([{"type":"image_url","image_url":{"url":"x"}}]}]})";
  CHECK(input<one_text>(image).starts_with("! /messages: this agent takes no images"));
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
  CHECK(input<chat_input>(request(R"(,"functions":[{"name":"f"}])")).starts_with("! /functions"));
  CHECK(input<chat_input>(request(R"(,"stop":["\n"])")).starts_with("! /stop"));
  CHECK(input<chat_input>(request(R"(,"tools":[{"type":"function","function":{}}])"))
          .starts_with("! /tools/0/function/name: "));
  CHECK(input<chat_input>(request(R"(,"stop":[])")).starts_with("{"));
  CHECK(input<chat_input>(request(R"(,"modalities":["audio"])")).starts_with("! /modalities"));
  CHECK(input<chat_input>(request(R"(,"max_tokens":0)")).starts_with("! /max_tokens"));
  CHECK(input<chat_input>(request(R"(,"tools":[{"type":"retrieval","function":{}}])"))
          .starts_with("! /tools/0/type"));
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

TEST_CASE("an error names the member that it is about as these clients know it") {
  auto param = [](std::string text) {
    auto json = completion_error_json(400, {errc::invalid_input, std::move(text)});
    auto at = json.find(R"("param":)") + 8;
    return json.substr(at, json.find(",\"code\"") - at);
  };

  CHECK(param("/n: an agent gives one answer") == R"("n")");
  CHECK(param("input: /messages/3/content/0: expected") == R"("messages[3].content[0]")");
  CHECK(param("the body is no JSON") == "null");
  CHECK(param("input: /tools/0/name: is taken") == R"("tools[0].function.name")");
  CHECK(param("/tools/0/function/name: missing") == R"("tools[0].function.name")");
  CHECK(param("/tools/0/type: expected function") == R"("tools[0].type")");
  CHECK(param("/etc/passwd is not here: no") == "null");
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

TEST_CASE("an agent that keeps conversations answers clients that do, and those that do not") {
  auto aut = talking();
  auto said = [](std::string_view text, std::string_view more = "") {
    return R"({"model":"kept","messages":[{"role":"user","content":")" + std::string{text} + "\"}]"
           + std::string{more} + "}";
  };
  auto content = [](const http_answer& got) {
    auto at = got.body.find(R"("content":")") + 11;
    return got.body.substr(at, got.body.find('"', at) - at);
  };

  auto alone = aut.peer.post(completions, said("hi", R"(,"user":"u-1")"));
  auto alone_again = aut.peer.post(completions, said("what did I say?"));
  auto kept = aut.peer.post(completions, said("my name is Ada", R"(,"conversation":"c-1")"));
  auto header = net::http_headers{{"X-Conversation-Id", "c-1"}};
  auto known = aut.peer.post(completions, said("what did I say?"), header);
  auto other = aut.peer.post(completions, said("what did I say?", R"(,"conversation":"c-2")"));
  auto streamed = aut.peer.post(
    completions, said("what did I say?", R"(,"stream":true,"metadata":{"conversation":"c-1"})"));

  CHECK(alone.status == 200);
  CHECK(content(alone_again) == "Nothing yet.");
  CHECK(kept.status == 200);
  INFO(known.body);
  CHECK(content(known) == "You are Ada.");
  CHECK(content(other) == "Nothing yet.");
  CHECK(content_in(streamed.body) == "You are Ada.");
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
  auto role = aut.peer.post(
    completions, R"({"model":"kept","messages":[{"role":"user","content":"a"},{"role":"robot"}]})");
  auto failed = aut.peer.post(completions,
                              R"({"model":"breaks","messages":[{"role":"user","content":"{}"}]})");

  for (const auto* got : {&unknown, &wrong, &method, &role, &failed}) {
    INFO(got->body);
    CHECK(got->body.starts_with("{\"error\":{\"message\":"));
  }
  CHECK(unknown.status == 404);
  CHECK(wrong.status == 400);
  CHECK(method.status == 405);
  CHECK(role.status == 400);
  CHECK(role.body.find(R"("param":"messages[1].role")") != std::string::npos);
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
