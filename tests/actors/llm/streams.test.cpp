#include "actors/llm/streamed_answer.hpp"

#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <memory>

using namespace troupe;

namespace {

/// What a follower of a stream has heard.
struct heard {
  std::string text;
  std::string reasoning;
  std::vector<std::string> calls;

  void operator()(const model_delta& d) {
    if (d.what == model_delta::kind::text) {
      text += d.text;
    } else if (d.what == model_delta::kind::reasoning) {
      reasoning += d.text;
    } else {
      calls.resize(std::max(calls.size(), d.call + 1));
      calls[d.call] += d.text;
    }
  }
};

struct outcome {
  result<model_answer> answer;
  heard along;
  bool complete = false;
};

/// Feeds `body` in pieces of `size` bytes.
outcome streamed(const model_wire& wire, std::string_view body, std::size_t size = 1'000'000) {
  outcome out;
  streamed_answer aut{wire, [&](const model_delta& d) { out.along(d); }};
  for (std::size_t at = 0; at < body.size(); at += size)
    if (!aut.add(body.substr(at, size)))
      break;
  out.complete = aut.complete();
  net::http_response response;
  response.status = 200;
  out.answer = std::move(aut).finish(std::move(response), utc_time{});
  return out;
}

std::string event(std::string_view data, std::string_view name = {}) {
  auto line = name.empty() ? std::string{} : "event: " + std::string{name} + "\n";
  return line + "data: " + std::string{data} + "\n\n";
}

std::string chat(std::string_view delta, std::string_view finish = "null") {
  return event(R"({"id":"c","model":"m-1","choices":[{"index":0,"delta":)" + std::string{delta}
               + R"(,"finish_reason":)" + std::string{finish} + "}]}");
}

const std::string words = chat(R"({"role":"assistant","content":""})") + chat(R"({"content":"Grüße"})")
                          + ": a comment\n\n" + chat(R"({"content":", Welt"})")
                          + chat("{}", R"("stop")")
                          + event(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,)"
                                  R"("prompt_tokens_details":{"cached_tokens":3}}})")
                          + event("[DONE]");

const std::string tools
  = chat(R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"look","arguments":""}}]})")
    + chat(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"q\":"}}]})")
    + chat(R"({"tool_calls":[{"index":1,"id":"b","function":{"name":"file","arguments":"{}"}}]})")
    + chat(R"({"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]})")
    + chat("{}", R"("tool_calls")") + event("[DONE]");

const std::vector<model_tool_call> both_calls{{"a", "look", R"({"q":1})"}, {"b", "file", "{}"}};

const std::string message_start
  = event(R"({"type":"message_start","message":{"model":"c-1","usage":{"input_tokens":5,)"
          R"("cache_read_input_tokens":7,"output_tokens":1}}})",
          "message_start");

std::string block(int index, std::string_view start, std::string_view deltas) {
  auto n = std::to_string(index);
  return event(R"({"type":"content_block_start","index":)" + n + R"(,"content_block":)"
               + std::string{start} + "}")
         + std::string{deltas} + event(R"({"type":"content_block_stop","index":)" + n + "}");
}

std::string block_delta(int index, std::string_view delta) {
  return event(R"({"type":"content_block_delta","index":)" + std::to_string(index)
               + R"(,"delta":)" + std::string{delta} + "}");
}

std::string message_end(std::string_view reason) {
  return event(R"({"type":"message_delta","delta":{"stop_reason":")" + std::string{reason}
               + R"("},"usage":{"output_tokens":12}})")
         + event(R"({"type":"message_stop"})");
}

const std::string messages
  = message_start
    + block(0, R"({"type":"thinking","thinking":""})",
            block_delta(0, R"({"type":"thinking_delta","thinking":"hm"})")
              + block_delta(0, R"({"type":"signature_delta","signature":"x"})"))
    + event(R"({"type":"ping"})")
    + block(1, R"({"type":"text","text":""})",
            block_delta(1, R"({"type":"text_delta","text":"Grüße, "})")
              + block_delta(1, R"({"type":"text_delta","text":"Welt"})"))
    + block(2, R"({"type":"tool_use","id":"a","name":"look","input":{}})",
            block_delta(2, R"({"type":"input_json_delta","partial_json":"{\"q\":"})")
              + block_delta(2, R"({"type":"input_json_delta","partial_json":"1}"})"))
    + block(3, R"({"type":"tool_use","id":"b","name":"file","input":{}})", "")
    + message_end("tool_use");

const std::string responses
  = event(R"({"type":"response.created","response":{"status":"in_progress"}})")
    + event(R"({"type":"response.reasoning_summary_text.delta","delta":"hm","output_index":0})")
    + event(R"({"type":"response.output_text.delta","delta":"Grüße, ","output_index":1})")
    + event(R"({"type":"response.output_text.delta","delta":"Welt","output_index":1})")
    + event(R"({"type":"response.output_item.added","output_index":2,)"
            R"("item":{"type":"function_call","call_id":"a","name":"look","arguments":""}})")
    + event(R"({"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"q\":1}"})")
    + event(R"({"type":"response.completed","response":{"status":"completed","model":"r-1","error":null,)"
            R"("output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},)"
            R"({"type":"message","content":[{"type":"output_text","text":"Grüße, Welt"}]},)"
            R"({"type":"function_call","call_id":"a","name":"look","arguments":"{\"q\":1}"}],)"
            R"("usage":{"input_tokens":9,"output_tokens":4,"input_tokens_details":{"cached_tokens":2}}}})");

using kind = std::pair<std::shared_ptr<model_wire>, std::string>;

const std::vector<kind>& kinds() {
  static const std::vector<kind> all{{make_chat_wire(), words},
                                     {make_chat_wire(), tools},
                                     {make_anthropic_wire(), messages},
                                     {make_responses_wire(), responses}};
  return all;
}

std::vector<std::string> events_of(std::string_view stream) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < stream.size();) {
    auto end = stream.find("\n\n", at) + 2;
    out.emplace_back(stream.substr(at, end - at));
    at = end;
  }
  return out;
}

std::string joined(const std::vector<std::string>& events) {
  std::string out;
  for (const auto& e : events)
    out += e;
  return out;
}

/// Loses, doubles or moves `times` events.
void mangle_events(std::string& stream, int times) {
  auto events = events_of(stream);
  for (; times > 0 && !events.empty(); --times) {
    auto at = *rc::gen::inRange<std::size_t>(0, events.size());
    auto to = *rc::gen::inRange<std::size_t>(0, events.size());
    auto one = events[at];
    auto place = events.begin() + static_cast<std::ptrdiff_t>(at);
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        events.erase(place);
        break;
      case 1:
        events.insert(place, one);
        break;
      default:
        std::swap(events[at], events[to]);
    }
  }
  stream = joined(events);
}

// Arguments in order; no arguments are not heard, and Anthropic's are then `{}`.
std::vector<std::string> without_empty(std::vector<std::string> calls) {
  calls.erase(std::remove_if(calls.begin(), calls.end(),
                             [](const auto& c) { return c.empty() || c == "{}"; }),
              calls.end());
  return calls;
}

std::vector<std::string> arguments_of(const model_answer& a) {
  std::vector<std::string> out;
  for (const auto& c : a.tool_calls)
    out.push_back(c.arguments);
  return without_empty(std::move(out));
}

} // namespace

TEST_CASE("a chat stream is put together, piece by piece") {
  auto got = streamed(*make_chat_wire(), words);

  REQUIRE(got.answer);
  CHECK(got.complete);
  CHECK(got.answer->text == "Grüße, Welt");
  CHECK(got.along.text == "Grüße, Welt");
  CHECK(got.answer->model == "m-1");
  CHECK(got.answer->input_tokens == 9);
  CHECK(got.answer->output_tokens == 4);
  CHECK(got.answer->cached_tokens == 3);
  CHECK(got.answer->finish_reason == "stop");
}

TEST_CASE("tool calls that come in turns are kept apart") {
  auto got = streamed(*make_chat_wire(), tools);

  REQUIRE(got.answer);
  CHECK(got.answer->tool_calls == both_calls);
  CHECK(got.along.calls == std::vector<std::string>{R"({"q":1})", "{}"});
  CHECK(got.answer->finish_reason == "tool_calls");
}

TEST_CASE("tool calls without an index begin with their id") {
  auto stream
    = chat(R"({"tool_calls":[{"id":"a","function":{"name":"look","arguments":"{\"q\":"}}]})")
      + chat(R"({"tool_calls":[{"function":{"arguments":"1}"}}]})")
      + chat(R"({"tool_calls":[{"id":"b","function":{"name":"file","arguments":"{}"}}]})", R"("stop")");

  auto got = streamed(*make_chat_wire(), stream);

  REQUIRE(got.answer);
  CHECK(got.answer->tool_calls == both_calls);
  CHECK(got.answer->finish_reason == "tool_calls");
}

TEST_CASE("a chat stream without [DONE] is whole once it said why it ended") {
  auto got = streamed(*make_chat_wire(), chat(R"({"content":"yes"})", R"("stop")"));

  REQUIRE(got.answer);
  CHECK_FALSE(got.complete);
  CHECK(got.answer->text == "yes");
}

TEST_CASE("a stream that is cut is an error, however much of it came") {
  for (auto [wire, whole] :
       {std::pair{make_chat_wire().release(), &words},
        std::pair{make_anthropic_wire().release(), &messages},
        std::pair{make_responses_wire().release(), &responses}}) {
    std::unique_ptr<model_wire> owned{wire};
    auto last = whole->rfind("data:", whole->size() - 30);
    auto cut = whole->substr(0, whole->rfind("finish_reason\":\"") == std::string::npos
                                  ? whole->rfind("data:", last - 1)
                                  : whole->rfind("finish_reason\":\""));
    auto got = streamed(*owned, cut);

    REQUIRE_FALSE(got.answer);
    CHECK(got.answer.error().code == errc::unavailable);
    CHECK(got.answer.error().message.find("cut") != std::string::npos);
  }
}

TEST_CASE("an error within a stream is told by its kind") {
  auto limited = event(R"({"error":{"type":"rate_limit_exceeded","message":"slow down"}})");
  auto quota = event(R"({"error":{"code":"insufficient_quota","message":"pay"}})");
  auto busy = message_start
              + event(R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})");
  auto failed = event(R"({"type":"response.failed","response":{"status":"failed",)"
                      R"("error":{"code":"server_error","message":"sorry"}}})");

  auto chat_wire = make_chat_wire();
  CHECK(streamed(*chat_wire, chat(R"({"content":"a"})") + limited).answer.error().code
        == errc::rate_limited);
  CHECK(streamed(*chat_wire, quota).answer.error().code == errc::budget_exceeded);
  CHECK(streamed(*make_anthropic_wire(), busy).answer.error().code == errc::unavailable);
  CHECK(streamed(*make_responses_wire(), failed).answer.error().code == errc::unavailable);
}

TEST_CASE("a malformed chunk ends the stream") {
  auto got = streamed(*make_chat_wire(), chat(R"({"content":"a"})") + event(R"({"choices":[{)") + words);

  REQUIRE_FALSE(got.answer);
  CHECK(got.answer.error().code == errc::unavailable);
  CHECK(got.along.text == "a");
}

TEST_CASE("an answer that its limit cut, or a filter stopped, is none") {
  auto wire = make_chat_wire();
  CHECK(streamed(*wire, chat(R"({"content":"half"})", R"("length")")).answer.error().code
        == errc::output_too_large);
  CHECK(streamed(*wire, chat(R"({"content":"half"})", R"("content_filter")")).answer.error().code
        == errc::failed);
  CHECK(streamed(*wire, chat(R"({"refusal":"No."})", R"("stop")")).answer.error().code
        == errc::failed);
  CHECK(streamed(*make_anthropic_wire(), message_start + message_end("max_tokens")).answer.error().code
        == errc::output_too_large);
  CHECK(streamed(*make_anthropic_wire(), message_start + message_end("refusal")).answer.error().code
        == errc::failed);
  CHECK(streamed(*make_anthropic_wire(), message_start + message_end("model_context_window_exceeded"))
          .answer.error().code
        == errc::invalid_input);
}

TEST_CASE("an Anthropic stream gives its blocks, each in its place") {
  auto got = streamed(*make_anthropic_wire(), messages);

  REQUIRE(got.answer);
  CHECK(got.complete);
  CHECK(got.answer->text == "Grüße, Welt");
  CHECK(got.answer->reasoning == "hm");
  CHECK(got.answer->tool_calls == both_calls);
  CHECK(got.answer->input_tokens == 12);
  CHECK(got.answer->cached_tokens == 7);
  CHECK(got.answer->output_tokens == 12);
  CHECK(got.along.reasoning == "hm");
  CHECK(got.along.calls == std::vector<std::string>{R"({"q":1})"});
}

TEST_CASE("a Responses stream counts by its end") {
  auto got = streamed(*make_responses_wire(), responses);

  REQUIRE(got.answer);
  CHECK(got.answer->text == "Grüße, Welt");
  CHECK(got.along.text == "Grüße, Welt");
  CHECK(got.answer->reasoning == "hm");
  CHECK(got.answer->tool_calls == std::vector<model_tool_call>{{"a", "look", R"({"q":1})"}});
  CHECK(got.answer->cached_tokens == 2);
  CHECK(got.answer->finish_reason == "tool_calls");
}

TEST_CASE("a Responses stream whose end lacks the text that was streamed is none") {
  auto wire = make_responses_wire();
  auto body = event(R"({"type":"response.output_text.delta","output_index":0,"delta":"Hi"})")
              + event(R"({"type":"response.completed","response":{"status":"completed","output":[]}})");

  auto out = streamed(*wire, body);

  REQUIRE_FALSE(out.answer);
  CHECK(out.answer.error().code == errc::unavailable);
}

TEST_CASE("what follows the end of a stream is no part of the answer") {
  auto wire = make_chat_wire();

  auto out = streamed(*wire, words + chat(R"({"content":"more"})"));

  REQUIRE(out.answer);
  CHECK(out.answer->text == "Grüße, Welt");
  CHECK(out.along.text == "Grüße, Welt");
}

TEST_CASE("a server that answers in one piece is understood as well") {
  auto got = streamed(*make_chat_wire(), R"({"model":"m","choices":[{"message":{"content":"yes"},)"
                                         R"("finish_reason":"stop"}]})");

  REQUIRE(got.answer);
  CHECK(got.answer->text == "yes");
}

TEST_CASE("an answer is the same however its bytes are cut") {
  for (std::size_t size = 1; size < 40; ++size) {
    CHECK(streamed(*make_chat_wire(), words, size).answer->text == "Grüße, Welt");
    CHECK(streamed(*make_chat_wire(), tools, size).answer->tool_calls == both_calls);
    CHECK(streamed(*make_anthropic_wire(), messages, size).answer->tool_calls == both_calls);
    CHECK(streamed(*make_responses_wire(), responses, size).answer->text == "Grüße, Welt");
  }
}

TEST_CASE("a stream that is cut anywhere is whole or an error and never less") {
  CHECK(rc::check([] {
    const auto& [wire, whole] = *rc::gen::elementOf(kinds());
    auto stream = whole;
    stream.resize(*rc::gen::inRange<std::size_t>(0, stream.size()));

    auto got = streamed(*wire, stream);

    auto all = streamed(*wire, whole);
    if (got.answer) {
      RC_ASSERT(got.answer->text == all.answer->text);
      RC_ASSERT(got.answer->tool_calls == all.answer->tool_calls);
    }
  }));
}

TEST_CASE("a stream that lost the event which ends it is an error") {
  struct loss {
    std::unique_ptr<model_wire> wire;
    const std::string* whole;
    const char* event;
  };
  loss all[] = {{make_chat_wire(), &words, R"("finish_reason":"stop")"},
                {make_chat_wire(), &tools, R"("finish_reason":"tool_calls")"},
                {make_anthropic_wire(), &messages, R"("stop_reason")"},
                {make_anthropic_wire(), &messages, R"("content_block_stop","index":1)"},
                {make_anthropic_wire(), &messages, R"("content_block_start","index":1)"},
                {make_responses_wire(), &responses, R"("response.completed")"}};

  for (const auto& l : all) {
    auto events = events_of(*l.whole);
    auto lost = std::remove_if(events.begin(), events.end(), [&](const std::string& e) {
      return e.find(l.event) != std::string::npos;
    });
    REQUIRE(std::distance(lost, events.end()) == 1);
    events.erase(lost, events.end());

    INFO(l.event);
    CHECK_FALSE(streamed(*l.wire, joined(events)).answer);
  }
}

TEST_CASE("a Responses stream that lost or doubled an event is whole or an error") {
  CHECK(rc::check([] {
    auto stream = responses;
    mangle_events(stream, 1);

    auto got = streamed(*make_responses_wire(), stream);

    if (got.answer) {
      RC_ASSERT(got.answer->text == "Grüße, Welt");
      RC_ASSERT(got.answer->tool_calls.size() == 1U);
    }
  }));
}

TEST_CASE("whatever happens to a stream, its answer is what was heard and ended by itself") {
  CHECK(rc::check([] {
    const auto& [wire, whole] = *rc::gen::elementOf(kinds());
    auto stream = whole;
    mangle_events(stream, *rc::gen::inRange(0, 3));
    for (auto flips = *rc::gen::inRange(0, 3); flips > 0 && !stream.empty(); --flips)
      stream[*rc::gen::inRange<std::size_t>(0, stream.size())] = *rc::gen::arbitrary<char>();

    auto got = streamed(*wire, stream);

    if (!got.answer)
      return;
    const auto& a = *got.answer;
    RC_ASSERT(a.finish_reason == (a.tool_calls.empty() ? "stop" : "tool_calls"));
    for (const auto& c : a.tool_calls)
      RC_ASSERT(!c.name.empty());
    if (whole == responses) { // its end has the last word, and may not be less
      RC_ASSERT(a.text.size() >= got.along.text.size());
      RC_ASSERT(a.tool_calls.size() >= got.along.calls.size());
    } else {
      RC_ASSERT(a.text == got.along.text);
      RC_ASSERT(a.reasoning == got.along.reasoning);
      RC_ASSERT(arguments_of(a) == without_empty(got.along.calls));
    }
  }));
}
