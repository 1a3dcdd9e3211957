#include "actors/llm/openai_wire.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

constexpr utc_time today{1'700'000'000s};

model_request question(std::string schema = {}) {
  model_request r;
  r.messages.push_back({"user", "Say \"hi\""});
  r.schema = std::move(schema);
  return r;
}

net::http_response response(int status, std::string body, net::http_headers headers = {}) {
  net::http_response r;
  r.status = status;
  r.body = std::move(body);
  r.headers = std::move(headers);
  return r;
}

error why(int status, std::string body, net::http_headers headers = {}) {
  auto r = make_chat_wire()->read(response(status, std::move(body), std::move(headers)), today);
  REQUIRE_FALSE(r);
  return r.error();
}

std::string choice(std::string_view message, std::string_view finish) {
  return R"({"id":"c1","model":"small-2","choices":[{"index":0,"message":)" + std::string{message}
         + R"(,"finish_reason":")" + std::string{finish}
         + R"("}],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}})";
}

} // namespace

TEST_CASE("a request says the model and the messages, and what else was asked for") {
  auto plain = question();
  auto full = question();
  full.temperature = 0.5;
  full.max_tokens = 100;

  CHECK(make_chat_wire()->body(plain, "small", {})
        == R"({"model":"small","messages":[{"role":"user","content":"Say \"hi\""}]})");
  CHECK(make_chat_wire()->body(full, "small", {})
        == R"({"model":"small","messages":[{"role":"user","content":"Say \"hi\""}],)"
           R"("temperature":0.5,"max_tokens":100})");
}

TEST_CASE("a schema is handed over as a strict response format, or in words") {
  auto q = question(R"({"type":"object"})");
  wire_dialect in_words;
  in_words.native_schema = false;

  CHECK(make_chat_wire()->body(q, "m", {})
        == R"({"model":"m","messages":[{"role":"user","content":"Say \"hi\""}],)"
           R"("response_format":{"type":"json_schema","json_schema":{"name":"answer",)"
           R"("strict":true,"schema":{"type":"object"}}}})");
  auto said = make_chat_wire()->body(q, "m", in_words);
  CHECK(said.find("response_format") == std::string::npos);
  CHECK(said.find(R"([{"role":"system","content":"Answer with one JSON value)")
        != std::string::npos);
  CHECK(said.find(R"({\"type\":\"object\"})") != std::string::npos);
}

TEST_CASE("an answer has its text, tokens, finish reason and model") {
  auto r
    = make_chat_wire()->read(response(200, choice(R"({"role":"assistant","content":"hi"})", "stop")), today);

  REQUIRE(r);
  CHECK(r->text == "hi");
  CHECK(r->input_tokens == 9);
  CHECK(r->output_tokens == 4);
  CHECK(r->finish_reason == "stop");
  CHECK(r->model == "small-2");
}

TEST_CASE("servers that leave out what they may leave out are understood") {
  auto r = make_chat_wire()->read(response(200, R"({"choices":[{"message":{"content":"hi"}}]})"), today);

  REQUIRE(r);
  CHECK(r->text == "hi");
  CHECK(r->input_tokens == 0);
}

TEST_CASE("a truncated answer is never a success") {
  auto e = why(200, choice(R"({"content":"half an ans"})", "length"));

  CHECK(e.code == errc::output_too_large);
  CHECK(e.message.find("half") == std::string::npos);
}

TEST_CASE("a refusal and the content filter are failures for good") {
  auto refusal = why(200, choice(R"({"content":null,"refusal":"I will not."})", "stop"));
  auto filter = why(200, choice(R"({"content":"x"})", "content_filter"));
  auto nothing = why(200, choice(R"({"content":null})", "stop"));

  CHECK(refusal.code == errc::failed);
  CHECK(refusal.outcome == certainty::definite);
  CHECK(refusal.message.find("I will not.") != std::string::npos);
  CHECK(filter.code == errc::failed);
  CHECK(nothing.code == errc::failed);
}

TEST_CASE("a success that cannot be read, or has an error inside, may pass") {
  for (auto body : {"<html>", "", "{}", R"({"choices":[]})", R"({"choices":7})",
                    R"({"error":{"message":"upstream died"},"choices":[]})"}) {
    auto e = why(200, body);
    CHECK(e.code == errc::unavailable);
    CHECK(e.outcome == certainty::unknown);
  }
}

TEST_CASE("a rate limit carries what the server asks for, and a spent quota is something else") {
  auto limited = R"({"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}})";
  auto spent = R"({"error":{"message":"pay","type":"insufficient_quota",)"
               R"("code":"insufficient_quota"}})";

  CHECK(why(429, limited, {{"Retry-After", "7"}}).retry_after == 7s);
  CHECK(why(429, limited, {{"retry-after-ms", "250"}}).retry_after == 250ms);
  CHECK(why(429, limited).code == errc::rate_limited);
  CHECK_FALSE(why(429, limited).retry_after);
  CHECK(why(429, spent).code == errc::budget_exceeded);
}

TEST_CASE("a status is the error that it stands for") {
  CHECK(why(400, R"({"error":{"message":"bad"}})").code == errc::invalid_input);
  CHECK(why(400, R"({"error":{"code":"context_length_exceeded","message":"long"}})")
          .message.find("context")
        != std::string::npos);
  CHECK(why(400, R"({"error":{"code":"content_filter","message":"no"}})").code == errc::failed);
  CHECK(why(401, "").code == errc::failed);
  CHECK(why(403, "").code == errc::failed);
  CHECK(why(404, "").code == errc::not_found);
  CHECK(why(408, "").code == errc::timed_out);
  CHECK(why(413, "").code == errc::invalid_input);
  CHECK(why(422, "").code == errc::invalid_input);
  CHECK(why(301, "").code == errc::failed);
  CHECK(why(500, "").code == errc::unavailable);
  CHECK(why(503, "", {{"retry-after", "3"}}).retry_after == 3s);
  CHECK(why(529, "").code == errc::unavailable);
  CHECK(why(400, R"({"error":"just words","code":3})").message.find("just words")
        != std::string::npos);
}

TEST_CASE("what a server says of the key is not passed on") {
  auto e = why(401, R"({"error":{"message":"Incorrect API key provided: sk-abc"}})");

  CHECK(e.message.find("sk-abc") == std::string::npos);
}

TEST_CASE("a server that refuses a schema is told in words from then on, for that schema") {
  wire_dialect d;
  auto sent = d;
  auto q = question(R"({"type":"object"})");
  auto refusal
    = response(400, R"({"error":{"message":"Invalid schema","param":"response_format"}})");

  CHECK(make_chat_wire()->adapt(d, sent, refusal, q));
  CHECK_FALSE(d.takes(q.schema));
  CHECK(d.takes(R"({"type":"array"})"));
  CHECK(make_chat_wire()->adapt(d, sent, refusal, q)); // one that was sent before the first refusal came
  CHECK_FALSE(make_chat_wire()->adapt(d, d, refusal, q));
  CHECK_FALSE(make_chat_wire()->adapt(d, d, refusal, question()));
}

TEST_CASE("many refused schemas are a server that takes none") {
  wire_dialect d;
  auto refusal = response(400, R"({"error":{"message":"response_format is not supported"}})");

  for (std::size_t i = 0; i < wire_dialect::refused_max; ++i)
    CHECK(make_chat_wire()->adapt(d, d, refusal, question(R"({"title":")" + std::to_string(i) + "\"}")));

  CHECK_FALSE(d.native_schema);
}

TEST_CASE("reasoning models have their own names for limits and no temperature") {
  wire_dialect d;
  auto q = question();
  q.max_tokens = 10;
  q.temperature = 0.0;

  CHECK(make_chat_wire()->adapt(d, d,
              response(400, R"({"error":{"param":"max_tokens","message":"Unsupported )"
                            R"(parameter: use 'max_completion_tokens' instead"}})"),
              q));
  CHECK(make_chat_wire()->adapt(d, d, response(400, R"({"error":{"param":"temperature","message":"unsupported"}})"), q));

  CHECK(make_chat_wire()->body(q, "m", d)
        == R"({"model":"m","messages":[{"role":"user","content":"Say \"hi\""}],)"
           R"("max_completion_tokens":10})");
  CHECK_FALSE(make_chat_wire()->adapt(d, d, response(500, R"({"error":{"param":"temperature"}})"), q));
}
