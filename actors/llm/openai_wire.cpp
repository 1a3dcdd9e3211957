#include "actors/llm/openai_wire.hpp"

#include "actors/llm/answer.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/retry_after.hpp"

#include <fmt/format.h>

#include <array>
#include <initializer_list>

namespace troupe {
namespace {

constexpr std::size_t detail_max = 300; // bytes of a server's own words in an error

struct wire_message {
  std::optional<std::string> content;
  std::optional<std::string> refusal;
};
BOOST_DESCRIBE_STRUCT(wire_message, (), (content, refusal))

struct wire_choice {
  std::optional<wire_message> message;
  std::optional<std::string> finish_reason;
};
BOOST_DESCRIBE_STRUCT(wire_choice, (), (message, finish_reason))

struct wire_usage {
  std::optional<std::int64_t> prompt_tokens;
  std::optional<std::int64_t> completion_tokens;
};
BOOST_DESCRIBE_STRUCT(wire_usage, (), (prompt_tokens, completion_tokens))

// Servers write codes as texts, numbers or null, so only texts are looked at.
struct wire_error {
  std::string message;
  std::string type;
  std::string param;
  std::string code;

  bool says(std::string_view word) const { return code == word || type == word; }
};

struct wire_reply {
  std::optional<std::vector<wire_choice>> choices;
  std::optional<wire_usage> usage;
  std::optional<std::string> model;
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_reply, (), (choices, usage, model, error))

struct wire_failure {
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_failure, (), (error))

bool read_entry(json_reader& in, std::string_view key, void* into) {
  auto& e = *static_cast<wire_error*>(into);
  auto* member = key == "message" ? &e.message
                 : key == "type"  ? &e.type
                 : key == "param" ? &e.param
                 : key == "code"  ? &e.code
                                  : nullptr;
  if (member != nullptr && in.peek() == json_kind::string)
    return in.string(*member);
  return in.skip();
}

// `{"message":..}`, or just a sentence.
wire_error read_error(std::string_view json) {
  wire_error out;
  json_reader in{json};
  if (in.peek() == json_kind::string)
    in.string(out.message);
  else
    in.object(read_entry, &out);
  return out;
}

wire_error error_of(const net::http_response& r) {
  auto body = from_json<wire_failure>(r.body);
  return body && body->error ? read_error(body->error->text) : wire_error{};
}

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  for (auto word : words)
    if (text.find(word) != std::string_view::npos)
      return true;
  return false;
}

std::string said(int status, const wire_error& e) {
  auto text = fmt::format("the model's server answered {} {}", status, net::reason_phrase(status));
  return e.message.empty() ? text : text + ": " + head_of(e.message, detail_max);
}

error refusal(int status, const wire_error& e) {
  if (e.says("context_length_exceeded") || has_any(e.message, {"maximum context length"}))
    return {errc::invalid_input,
            "the messages are longer than the model's context: " + head_of(e.message, detail_max)};
  if (e.says("content_policy_violation") || e.says("content_filter"))
    return {errc::failed, "refused by the content policy: " + head_of(e.message, detail_max)};
  return {errc::invalid_input, said(status, e)};
}

error failure(const net::http_response& r, utc_time now) {
  auto e = error_of(r);
  auto s = r.status;
  if (s == 401 || s == 403) // its text may hold parts of the key
    return {errc::failed, fmt::format("the model's server refuses the API key ({})", s)};
  if (e.says("insufficient_quota"))
    return {errc::budget_exceeded, "the quota of the API key is spent (insufficient_quota)"};
  if (s == 429 || s >= 500) {
    error out{s == 429 ? errc::rate_limited : errc::unavailable, said(s, e),
              s == 429 ? certainty::definite : certainty::unknown};
    out.retry_after = net::retry_after(r.headers, now);
    return out;
  }
  if (s == 408)
    return {errc::timed_out, said(s, e), certainty::unknown};
  if (s == 404)
    return {errc::not_found, said(s, e) + " (is the model's name or base_url wrong?)"};
  if (s == 400 || s == 413 || s == 422)
    return refusal(s, e);
  return {errc::failed, said(s, e)};
}

error unreadable(std::string_view why) {
  return {errc::unavailable, fmt::format("the answer is not a chat completion: {}", why),
          certainty::unknown};
}

result<model_answer> answer_of(wire_reply&& reply) {
  if (reply.error && reply.error->text != "null")
    return error{errc::unavailable,
                 "the model's server answered with an error: "
                   + head_of(read_error(reply.error->text).message, detail_max),
                 certainty::unknown};
  if (!reply.choices || reply.choices->empty() || !reply.choices->front().message)
    return unreadable("it has no choices");
  auto& choice = reply.choices->front();
  auto usage = reply.usage.value_or(wire_usage{});
  model_answer out;
  out.finish_reason = choice.finish_reason.value_or("stop");
  out.model = reply.model.value_or("");
  out.input_tokens = usage.prompt_tokens.value_or(0);
  out.output_tokens = usage.completion_tokens.value_or(0);
  if (choice.message->refusal && !choice.message->refusal->empty())
    return error{errc::failed,
                 "the model refuses: " + head_of(*choice.message->refusal, detail_max)};
  if (out.finish_reason == "content_filter")
    return error{errc::failed, "the content filter stopped the answer (content_filter)"};
  if (out.finish_reason == "length")
    return error{errc::output_too_large,
                 fmt::format("the answer was cut after {} tokens (finish_reason length): raise "
                             "max_tokens or ask for less",
                             out.output_tokens)};
  if (!choice.message->content)
    return error{errc::failed, fmt::format("the answer has no content (finish_reason {})",
                                           head_of(out.finish_reason, 40))};
  out.text = std::move(*choice.message->content);
  return out;
}

void append_messages(std::string& out, const model_request& request, bool instructed) {
  out += "[";
  if (instructed) {
    model_message how{"system",
                      "Answer with one JSON value that fits this JSON Schema, and nothing "
                      "else, no code fence around it: "
                        + request.schema};
    append_json(out, how);
    out += ",";
  }
  for (const auto& m : request.messages) {
    append_json(out, m);
    out += ",";
  }
  out.back() = ']';
}

} // namespace

bool openai_dialect::takes(std::string_view schema) const {
  return native_schema && !refused_schemas.contains(short_hash(schema));
}

std::string openai_body(const model_request& request, std::string_view model,
                        const openai_dialect& dialect) {
  bool native = !request.schema.empty() && dialect.takes(request.schema);
  std::string out = R"({"model":)" + to_json(model) + R"(,"messages":)";
  append_messages(out, request, !request.schema.empty() && !native);
  if (request.temperature && dialect.temperature)
    out += R"(,"temperature":)" + to_json(*request.temperature);
  if (request.max_tokens > 0)
    out += (dialect.old_max_tokens ? R"(,"max_tokens":)" : R"(,"max_completion_tokens":)")
           + to_json(request.max_tokens);
  if (native)
    out
      += R"(,"response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,)"
         R"("schema":)"
         + request.schema + "}}";
  return out + "}";
}

result<model_answer> read_openai(const net::http_response& response, utc_time now) {
  if (response.status < 200 || response.status > 299)
    return failure(response, now);
  auto reply = from_json<wire_reply>(response.body);
  if (!reply)
    return unreadable(reply.error().message);
  return answer_of(std::move(*reply));
}

bool adapt(openai_dialect& dialect, const openai_dialect& sent, const net::http_response& response,
           const model_request& request) {
  if (response.status != 400 && response.status != 422)
    return false;
  auto e = error_of(response);
  auto about = e.param + " " + e.message;
  if (!request.schema.empty() && sent.takes(request.schema)
      && has_any(about, {"response_format", "json_schema"})) {
    dialect.refused_schemas.insert(short_hash(request.schema));
    if (dialect.refused_schemas.size() >= openai_dialect::refused_max)
      dialect.native_schema = false;
    return true;
  }
  if (request.max_tokens > 0 && sent.old_max_tokens && has_any(about, {"max_completion_tokens"})) {
    dialect.old_max_tokens = false;
    return true;
  }
  if (request.temperature && sent.temperature && has_any(about, {"temperature"})) {
    dialect.temperature = false;
    return true;
  }
  return false;
}

} // namespace troupe
