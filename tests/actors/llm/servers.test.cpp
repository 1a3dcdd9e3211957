// What servers really say, by server: each of these bodies was sent by one.

#include "actors/flow/chat_words.hpp"
#include "actors/llm/streamed_answer.hpp"
#include "actors/llm/wire_error.hpp"
#include "runtime/core/json.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;

namespace {

net::http_response response(int status, std::string body) {
  net::http_response out;
  out.status = status;
  out.body = std::move(body);
  return out;
}

error failure(int status, std::string body) {
  return failure_of(response(status, std::move(body)), utc_time{});
}

std::string event(std::string_view data) {
  return "data: " + std::string{data} + "\n\n";
}

struct streamed {
  result<model_answer> answer;
  std::vector<std::string> calls; ///< arguments, as a follower heard them
};

streamed stream(const model_wire& wire, std::string_view body) {
  streamed out;
  streamed_answer aut{wire, [&](const model_delta& d) {
                        if (d.what != model_delta::kind::tool_call)
                          return;
                        out.calls.resize(std::max(out.calls.size(), d.call + 1));
                        out.calls[d.call] += d.text;
                      }};
  aut.add(body);
  out.answer = std::move(aut).finish(response(200, {}), utc_time{});
  return out;
}

error why(const model_wire& wire, std::string_view body) {
  auto got = stream(wire, body).answer;
  return got ? error{errc::none, "an answer: " + got->text} : got.error();
}

std::string piece(std::string_view content, std::string_view finish) {
  return event(R"({"choices":[{"index":0,"delta":{"content":")" + std::string{content}
               + R"("},"finish_reason":)" + std::string{finish} + "}]}");
}

std::string chat_body(std::string_view finish) {
  return R"({"choices":[{"message":{"content":"Pay 1"},"finish_reason":")" + std::string{finish}
         + R"("}]})";
}

std::string calls(std::string_view deltas, std::string_view finish = "null") {
  return event(R"({"choices":[{"index":0,"delta":{"tool_calls":[)" + std::string{deltas}
               + R"(]},"finish_reason":)" + std::string{finish} + "}]}");
}

std::string call(std::string_view index, std::string_view id, std::string_view name,
                 std::string_view arguments) {
  auto out = std::string{"{"} + (index.empty() ? "" : R"("index":)" + std::string{index} + ",");
  out += id.empty() ? "" : R"("id":")" + std::string{id} + R"(",)";
  out += R"("function":{)" + (name.empty() ? "" : R"("name":")" + std::string{name} + R"(",)");
  return out + R"("arguments":)" + to_json(arguments) + "}}";
}

const std::string called = R"("tool_calls")";
const std::string message_start
  = event(R"({"type":"message_start","message":{"model":"m","usage":{"input_tokens":3,"output_tokens":1}}})");

std::string message_end(std::string_view reason) {
  return event(R"({"type":"message_delta","delta":{"stop_reason":")" + std::string{reason}
               + R"("},"usage":{"output_tokens":3}})")
         + event(R"({"type":"message_stop"})");
}

struct said {
  const char* server;
  int status;
  const char* body;
};

} // namespace

TEST_CASE("messages that are too long are known as such from every server") {
  const said all[] = {
    {"OpenAI", 400, R"({"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})"},
    {"Anthropic", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 213462 tokens > 200000 maximum"}})"},
    {"Anthropic, with max_tokens", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length or `max_tokens` and try again"}})"},
    {"Anthropic, in bytes", 413, R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})"},
    {"llama.cpp", 400, R"({"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}})"},
    {"llama.cpp, while it answers", 500, R"({"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}})"},
    {"vLLM", 400, R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 6616 tokens (568 in the messages, 6048 in the completion). Please reduce the length of the messages or completion.","type":"BadRequestError","param":null,"code":400})"},
    {"vLLM, V1", 400, R"({"error":{"message":"The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure that `max_model_len` is no smaller than the number of text tokens.","type":"BadRequestError","param":null,"code":400}})"},
    {"vLLM, with max_tokens", 400, R"({"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens and your request has 100 input tokens.","type":"BadRequestError","param":null,"code":400}})"},
    {"SGLang", 400, R"({"object":"error","message":"The input (61709 tokens) is longer than the model's context length (40960 tokens).","type":"BadRequestError","param":null,"code":400})"},
    {"Ollama", 400, R"({"error":{"message":"the input length exceeds the context length","type":"invalid_request_error","param":null,"code":null}})"},
    {"Ollama's cloud", 400, R"({"error":"prompt too long; exceeded max context length by 100918 tokens"})"},
    {"Gemini", 400, R"([{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}])"},
    {"Mistral", 400, R"({"object":"error","message":"Prompt contains 40000 tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","param":null,"code":"3051"})"},
    {"OpenRouter, from behind it", 400, R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"This endpoint's maximum context length is 131072 tokens.\"}}","provider_name":"X"}}})"},
    {"LM Studio", 400, R"({"error":"Trying to keep the first 5000 tokens when context the overflows; tokens to keep from the initial prompt is greater than the context length"})"},
    {"Groq", 400, R"({"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error"}})"},
    {"xAI", 400, R"({"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."})"},
    {"TGI", 422, R"({"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 200 `max_new_tokens`","error_type":"validation"})"},
    {"a proxy before any of them", 413, "<html>413 Request Entity Too Large</html>"},
  };

  for (const auto& s : all) {
    auto e = failure(s.status, s.body);
    INFO(s.server << ": " << e.message);
    CHECK(is_context_overflow(e));
    CHECK(chat::is_too_long(e));
  }
}

TEST_CASE("limits of tokens a minute are no limit of the context") {
  auto e = failure(429, R"({"error":{"message":"Too many tokens: reduce the length of the messages","type":"tokens","code":"rate_limit_exceeded"}})");

  CHECK(e.code == errc::rate_limited);
}

TEST_CASE("what a server says is found in whichever shape it says it") {
  const said all[] = {
    {"OpenAI", 400, R"({"error":{"message":"no such field","type":"t","param":null,"code":null}})"},
    {"vLLM", 400, R"({"object":"error","message":"no such field","type":"BadRequestError","param":null,"code":400})"},
    {"FastAPI", 400, R"({"detail":"no such field"})"},
    {"FastAPI, what is wrong", 422, R"({"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"no such field","input":7}]})"},
    {"Mistral", 422, R"({"object":"error","message":{"detail":[{"loc":["body","x"],"msg":"no such field"}]},"type":"invalid_request_error"})"},
    {"Gemini", 400, R"([{"error":{"code":400,"message":"no such field","status":"INVALID_ARGUMENT"}}])"},
    {"Ollama", 400, R"({"error":"no such field"})"},
    {"OpenRouter", 400, R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"no such field"}}})"},
    {"LiteLLM", 400, R"({"detail":{"error":{"message":"no such field"}}})"},
  };

  for (const auto& s : all) {
    auto e = failure(s.status, s.body);
    INFO(s.server << ": " << e.message);
    CHECK(e.code == errc::invalid_input);
    CHECK(e.message.find("no such field") != std::string::npos);
  }
  CHECK(read_server_error(R"([{"error":{"status":"INVALID_ARGUMENT"}}])").says("INVALID_ARGUMENT"));
  CHECK(read_server_error(R"({"type":"error","error":{"type":"overloaded_error"}})")
          .says("overloaded_error"));
  CHECK(read_server_error("<html>").message.empty());
  CHECK(read_server_error(R"({"error":null,"message":7})").message.empty());
}

TEST_CASE("a spent account is told from a mistake") {
  auto anthropic = failure(400, R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}})");
  auto deepseek = failure(402, R"({"error":{"message":"Insufficient Balance","type":"unknown_error"}})");

  CHECK(anthropic.code == errc::budget_exceeded);
  CHECK(deepseek.code == errc::budget_exceeded);
}

TEST_CASE("a refusal of the content is no refusal of the key") {
  auto moderated = failure(403, R"({"error":{"code":"content_policy_violation","message":"flagged"}})");
  auto flagged = failure(403, R"({"error":{"code":403,"message":"Your input was flagged"}})");
  auto not_for_it = failure(403, R"({"error":{"type":"permission_error","message":"not yours"}})");
  auto refused = failure(403, R"({"error":{"message":"Country not supported"}})");

  CHECK(moderated.message.find("content policy") != std::string::npos);
  CHECK(flagged.message.find("Your input was flagged") != std::string::npos);
  CHECK(not_for_it.message.find("not yours") != std::string::npos);
  CHECK(refused.message.find("API key") != std::string::npos);
}

TEST_CASE("an answer ends well for known reasons only") {
  struct ending {
    const char* reason;
    errc means;
  };
  const ending all[] = {
    {"stop", errc::none},
    {"STOP", errc::none},
    {"eos", errc::none},
    {"eos_token", errc::none},
    {"end_turn", errc::none},
    {"length", errc::output_too_large},
    {"model_length", errc::output_too_large},
    {"MAX_TOKENS", errc::output_too_large},
    {"content_filter", errc::failed},
    {"SAFETY", errc::failed},
    {"sensitive", errc::failed},
    {"model_context_window_exceeded", errc::invalid_input},
    {"insufficient_system_resource", errc::unavailable},
    {"network_error", errc::unavailable},
    {"abort", errc::unavailable},
    {"error", errc::unavailable},
    {"MALFORMED_FUNCTION_CALL", errc::unavailable},
    {"gibberish", errc::unavailable},
  };
  auto chat = make_chat_wire();

  for (const auto& e : all) {
    INFO(e.reason);
    CHECK(why(*chat, piece("Pay 1", '"' + std::string{e.reason} + '"')).code == e.means);
    auto whole = chat->read(response(200, chat_body(e.reason)), utc_time{});
    CHECK((whole ? errc::none : whole.error().code) == e.means);
  }
}

TEST_CASE("an Anthropic answer ends well for known reasons only") {
  auto wire = make_anthropic_wire();
  auto text = message_start + event(R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Pay 1"}})")
              + event(R"({"type":"content_block_stop","index":0})");

  CHECK(why(*wire, text + message_end("end_turn")).code == errc::none);
  CHECK(why(*wire, text + message_end("stop_sequence")).code == errc::none);
  CHECK(why(*wire, text + message_end("something_new")).code == errc::unavailable);
  auto full = why(*wire, text + message_end("model_context_window_exceeded"));
  CHECK(is_context_overflow(full));
  CHECK(chat::is_too_long(full));
}

TEST_CASE("a finish_reason without a word is none") {
  auto chat = make_chat_wire();

  auto cut = why(*chat, piece("Pay 1", R"("")"));
  auto whole = stream(*chat, piece("Pay 1", R"("")") + piece("00", R"("")") + piece("", R"("stop")"));

  CHECK(cut.code == errc::unavailable);
  CHECK(cut.message.find("cut") != std::string::npos);
  REQUIRE(whole.answer);
  CHECK(whole.answer->text == "Pay 100");
}

TEST_CASE("an error within a stream is understood whoever sends it") {
  struct inside {
    const char* server;
    const char* body;
    errc means;
  };
  const inside all[] = {
    {"OpenRouter", R"({"id":"g","error":{"code":429,"message":"slow down"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]})", errc::rate_limited},
    {"OpenRouter, of a choice", R"({"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"gone"}}]})", errc::unavailable},
    {"vLLM", R"({"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400})", errc::invalid_input},
    {"SGLang", R"({"error":{"object":"error","message":"bad","type":"BadRequest","param":null,"code":400}})", errc::invalid_input},
    {"llama.cpp", R"({"error":{"code":500,"message":"Context size has been exceeded.","type":"server_error"}})", errc::invalid_input},
    {"Gemini", R"([{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}])", errc::unavailable},
    {"Gemini, throttled, as an array", R"([{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}])", errc::rate_limited},
    {"Gemini, throttled", R"({"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}})", errc::rate_limited},
  };

  for (const auto& s : all) {
    INFO(s.server);
    CHECK(why(*make_chat_wire(), piece("Pay 1", "null") + event(s.body)).code == s.means);
  }
  auto whole = make_chat_wire()->read(
    response(200, R"({"choices":[{"message":{"content":""},"finish_reason":"error","error":{"code":429,"message":"x"}}]})"),
    utc_time{});
  CHECK(whole.error().code == errc::rate_limited);
}

TEST_CASE("an error within a Responses stream is read as documented and as sent") {
  auto wire = make_responses_wire();
  auto flat = why(*wire, event(R"({"type":"error","code":"rate_limit_exceeded","message":"slow","param":null,"sequence_number":2})"));
  auto nested = why(*wire, event(R"({"type":"error","sequence_number":2,"error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"Your input exceeds the context window of this model.","param":"input"}})"));
  auto throttled = why(*wire, event(R"({"type":"error","error":{"type":"too_many_requests","code":"too_many_requests","message":"slow"}})"));
  auto no_words = why(*wire, event(R"({"type":"error","code":null,"message":null})"));

  CHECK(flat.code == errc::rate_limited);
  CHECK(flat.message.find("slow") != std::string::npos);
  CHECK(is_context_overflow(nested));
  CHECK(throttled.code == errc::rate_limited);
  CHECK(no_words.code == errc::unavailable);
}

TEST_CASE("the end of a Responses stream that has less than was streamed is no answer") {
  auto text = event(R"({"type":"response.output_text.delta","output_index":0,"delta":"Pay 100"})");
  auto tool = event(R"({"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"a","name":"look","arguments":""}})");
  auto end = event(R"({"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Pay 1"}]}]}})");
  auto wire = make_responses_wire();

  CHECK(why(*wire, text + end).code == errc::unavailable);
  CHECK(why(*wire, tool + end).code == errc::unavailable);
  CHECK(why(*wire, end).code == errc::none);
}

TEST_CASE("parallel tool calls are kept apart however a server numbers them") {
  using list = std::vector<model_tool_call>;
  struct numbered {
    const char* server;
    std::string body;
    list expect;
  };
  const list both{{"a", "look", R"({"q":1})"}, {"b", "file", "{}"}};
  const list twice{{"a", "look", R"({"q":1})"}, {"b", "look", R"({"q":2})"}};
  const std::vector<numbered> all{
    {"Gemini: index 0 with each", calls(call("0", "a", "look", R"({"q":1})")) + calls(call("0", "b", "file", "{}"), called), both},
    {"Gemini, the same tool twice", calls(call("0", "a", "look", R"({"q":1})") + "," + call("0", "b", "look", R"({"q":2})"), called), twice},
    {"without ids", calls(call("0", "", "look", R"({"q":1})")) + calls(call("0", "", "look", R"({"q":2})"), called), {{"", "look", R"({"q":1})"}, {"", "look", R"({"q":2})"}}},
    {"one without arguments", calls(call("0", "a", "look", "")) + calls(call("0", "b", "file", "{}"), called), {{"a", "look", ""}, {"b", "file", "{}"}}},
    {"counted from 1", calls(call("1", "a", "look", R"({"q":1})")) + calls(call("2", "b", "file", "{}"), called), both},
    {"with a gap", calls(call("0", "a", "look", R"({"q":1})")) + calls(call("7", "b", "file", "{}"), called), both},
    {"no index", calls(call("", "a", "look", R"({"q":1})")) + calls(call("", "b", "file", "{}"), called), both},
    {"older vLLM: a new id with each piece", calls(call("0", "a", "look", R"({"q")")) + calls(call("0", "x", "", ":1}")) + calls("", called), {{"a", "look", R"({"q":1})"}}},
    {"older vLLM, the name as well", calls(call("0", "a", "look", R"({"q")")) + calls(call("0", "x", "look", ":1}")) + calls("", called), {{"a", "look", R"({"q":1})"}}},
    {"the id with each piece", calls(call("0", "a", "look", R"({"q":)")) + calls(call("0", "a", "look", "1}")) + calls("", called), {{"a", "look", R"({"q":1})"}}},
    {"the id late", calls(call("0", "", "look", "")) + calls(call("0", "a", "", R"({"q":1})")) + calls("", called), {{"a", "look", R"({"q":1})"}}},
    {"empty pieces", calls(R"({"index":0})") + calls(call("1", "a", "look", R"({"q":1})")) + calls(R"({"index":1})", called), {{"a", "look", R"({"q":1})"}}},
    {"an id and nothing else", calls(call("0", "z", "", "")) + calls(call("1", "a", "look", "{}"), called), {{"a", "look", "{}"}}},
    {"interleaved", calls(call("0", "a", "look", R"({"q")")) + calls(call("1", "b", "file", "{")) + calls(call("0", "", "", ":1}")) + calls(call("1", "", "", "}"), called), both},
  };

  for (const auto& s : all) {
    auto got = stream(*make_chat_wire(), s.body);
    INFO(s.server << ": " << (got.answer ? "" : got.answer.error().message));
    REQUIRE(got.answer);
    CHECK(got.answer->tool_calls == s.expect);
    CHECK(got.answer->finish_reason == "tool_calls");
  }
}

TEST_CASE("tool calls that nobody can carry out are no answer") {
  auto chat = make_chat_wire();
  auto nameless = why(*chat, calls(call("0", "a", "", "{}"), called));
  auto none = why(*chat, piece("", called));

  CHECK(nameless.code == errc::unavailable);
  CHECK(none.code == errc::unavailable);
}

TEST_CASE("more tool calls than the bound are an error from every wire, never fewer of them") {
  auto many = [](const std::string& one) {
    std::string out = one;
    for (std::size_t i = 1; i <= tool_calls_max; ++i)
      out += "," + one;
    return out;
  };
  auto chat = R"({"choices":[{"message":{"tool_calls":[)"
              + many(R"({"id":"a","function":{"name":"f","arguments":"{}"}})")
              + R"(]},"finish_reason":"tool_calls"}]})";
  auto responses = R"({"status":"completed","output":[)"
                   + many(R"({"type":"function_call","call_id":"a","name":"f","arguments":"{}"})") + "]}";
  auto anthropic = R"({"stop_reason":"tool_use","content":[)"
                   + many(R"({"type":"tool_use","id":"a","name":"f","input":{}})") + "]}";

  CHECK(make_chat_wire()->read(response(200, chat), utc_time{}).error().message.find("more than 128")
        != std::string::npos);
  CHECK_FALSE(make_responses_wire()->read(response(200, responses), utc_time{}));
  CHECK_FALSE(make_anthropic_wire()->read(response(200, anthropic), utc_time{}));
}

TEST_CASE("a tool's input at the beginning of its block counts where no pieces follow") {
  auto begin = message_start
               + event(R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"refund","input":{"id":"o-1"}}})");
  auto delta = event(R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"id\":\"o-2\"}"}})");
  auto end = event(R"({"type":"content_block_stop","index":0})") + message_end("tool_use");

  auto given = stream(*make_anthropic_wire(), begin + end);
  auto replaced = stream(*make_anthropic_wire(), begin + delta + end);

  REQUIRE(given.answer);
  CHECK(given.answer->tool_calls == std::vector<model_tool_call>{{"t", "refund", R"({"id":"o-1"})"}});
  CHECK(given.calls == std::vector<std::string>{R"({"id":"o-1"})"});
  REQUIRE(replaced.answer);
  CHECK(replaced.answer->tool_calls[0].arguments == R"({"id":"o-2"})");
}

TEST_CASE("a temperature is left out for all where the server takes none, else only that value") {
  struct refusal {
    const char* server;
    int status;
    const char* body;
    bool for_all;
  };
  const refusal all[] = {
    {"OpenAI", 400, R"({"error":{"message":"Unsupported value: 'temperature' does not support 0.5 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}})", true},
    {"OpenAI, o3", 400, R"({"error":{"message":"Unsupported parameter: 'temperature' is not supported with this model.","param":"temperature","code":"unsupported_parameter"}})", true},
    {"Anthropic", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"`temperature` is deprecated for this model."}})", true},
    {"Anthropic, while it thinks", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"`temperature` may only be set to 1 when thinking is enabled."}})", true},
    {"Kimi", 400, R"({"error":{"message":"invalid temperature: only 1 is allowed for this model","type":"invalid_request_error"}})", true},
    {"FastAPI", 422, R"({"detail":[{"type":"extra_forbidden","loc":["body","temperature"],"msg":"Extra inputs are not permitted","input":0.5}]})", true},
    {"Anthropic, its range", 400, R"({"type":"error","error":{"type":"invalid_request_error","message":"temperature: range: 0..1"}})", false},
    {"OpenAI, its range", 400, R"({"error":{"message":"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.","param":"temperature","code":"decimal_above_max_value"}})", false},
    {"vLLM, its range", 400, R"({"object":"error","message":"temperature must be non-negative, got -1.0.","type":"BadRequestError","param":null,"code":400})", false},
    {"FastAPI, its range", 422, R"({"detail":[{"type":"less_than_equal","loc":["body","temperature"],"msg":"Input should be less than or equal to 1","input":1.5}]})", false},
  };
  model_request r;
  r.temperature = 0.5;

  for (const auto& s : all) {
    INFO(s.server);
    wire_dialect d;
    CHECK(make_chat_wire()->adapt(d, d, response(s.status, s.body), r));
    CHECK(d.temperature != s.for_all);
    CHECK(d.refused_temperatures.contains(0.5));
    CHECK_FALSE(make_chat_wire()->adapt(d, d, response(s.status, s.body), r));
  }
}

TEST_CASE("an error that only repeats the request changes nothing about how it is said") {
  wire_dialect d;
  model_request r;
  r.temperature = 0.5;
  r.max_tokens = 9'000;
  auto adapts = [&](int status, const char* body) {
    return make_chat_wire()->adapt(d, d, response(status, body), r);
  };

  CHECK_FALSE(adapts(422, R"({"detail":[{"type":"missing","loc":["body","x"],"msg":"Field required","input":{"temperature":0.5}}]})"));
  CHECK_FALSE(adapts(400, R"({"object":"error","message":"[{'type': 'missing', 'loc': ('body', 'x'), 'msg': 'Field required', 'input': {'temperature': 0.5}}]","code":400})"));
  CHECK_FALSE(adapts(400, R"({"error":{"message":"'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 4096 tokens"}})"));
  CHECK(d == wire_dialect{});
}
