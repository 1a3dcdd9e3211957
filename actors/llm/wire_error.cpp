#include "actors/llm/wire_error.hpp"

#include "actors/llm/answer.hpp"
#include "runtime/core/json.hpp"
#include "runtime/net/retry_after.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

// By these `stream_fault_of` knows them again.
constexpr std::string_view inside_words = "the model's server answered with an error: ";
constexpr std::string_view unreadable_words = "the model's answer cannot be read: ";
constexpr std::string_view cut_words = "the answer was cut: the stream ended without ";
constexpr std::string_view context_overflow = "the messages are longer than the model's context: ";

struct wire_failure {
  std::optional<raw_json> error;
};
BOOST_DESCRIBE_STRUCT(wire_failure, (), (error))

bool read_entry(json_reader& in, std::string_view key, void* into) {
  auto& e = *static_cast<server_error*>(into);
  auto* member = key == "message" ? &e.message
                 : key == "type"  ? &e.type
                 : key == "param" ? &e.param
                 : key == "code"  ? &e.code
                                  : nullptr;
  if (member != nullptr && in.peek() == json_kind::string)
    return in.string(*member);
  return in.skip();
}

std::string words(const server_error& e) {
  return head_of(e.message, server_words_max);
}

std::string said(int status, const server_error& e) {
  auto text = fmt::format("the model's server answered {} {}", status, net::reason_phrase(status));
  return e.message.empty() ? text : text + ": " + words(e);
}

// What means the same in every status and within a stream.
std::optional<error> known(const server_error& e) {
  if (e.says("insufficient_quota") || e.says("billing_error"))
    return error{errc::budget_exceeded, "the quota of the API key is spent (insufficient_quota)"};
  if (e.says("context_length_exceeded")
      || e.mentions({"maximum context length", "prompt is too long", "context window"}))
    return error{errc::invalid_input,
                 std::string{context_overflow} + words(e)};
  if (e.says("content_policy_violation") || e.says("content_filter"))
    return error{errc::failed, "refused by the content policy: " + words(e)};
  return std::nullopt;
}

} // namespace

bool server_error::mentions(std::initializer_list<std::string_view> parts) const {
  for (auto part : parts)
    if (message.find(part) != std::string::npos || param.find(part) != std::string::npos)
      return true;
  return false;
}

server_error read_server_error(std::string_view json) {
  server_error out;
  json_reader in{json};
  if (in.peek() == json_kind::string)
    in.string(out.message);
  else
    in.object(read_entry, &out);
  return out;
}

server_error server_error_of(std::string_view body) {
  auto found = from_json<wire_failure>(body);
  return found && found->error ? read_server_error(found->error->text) : server_error{};
}

error failure_of(const net::http_response& r, utc_time now) {
  auto e = server_error_of(r.body);
  auto s = r.status;
  if (s == 401 || s == 403) // its text may hold parts of the key
    return {errc::failed, fmt::format("the model's server refuses the API key ({})", s)};
  if (auto why = known(e))
    return std::move(*why);
  if (s == 402)
    return {errc::budget_exceeded, "the account of the API key must be paid (402)"};
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
    return {errc::invalid_input, said(s, e)};
  return {errc::failed, said(s, e)};
}

error failure_inside(const server_error& e) {
  if (auto why = known(e))
    return std::move(*why);
  auto text = std::string{inside_words} + words(e);
  if (e.says("rate_limit_exceeded") || e.says("rate_limit_error"))
    return {errc::rate_limited, std::move(text)};
  if (e.says("authentication_error") || e.says("permission_error"))
    return {errc::failed, "the model's server refuses the API key"};
  if (e.says("invalid_request_error"))
    return {errc::invalid_input, std::move(text)};
  return {errc::unavailable, std::move(text), certainty::unknown};
}

error unreadable_answer(std::string_view why) {
  return {errc::unavailable, fmt::format("{}{}", unreadable_words, why),
          certainty::unknown};
}

bool is_context_overflow(const error& e) {
  return e.code == errc::invalid_input && e.message.starts_with(context_overflow);
}

error cut_answer(std::string_view missing) {
  return {errc::unavailable, fmt::format("{}{}", cut_words, missing),
          certainty::unknown};
}

std::string_view stream_fault_of(const error& why, bool begun) {
  if (why.code == errc::cancelled)
    return "cancelled";
  if (why.message.starts_with(inside_words))
    return "in_band";
  if (why.message.starts_with(unreadable_words))
    return "malformed";
  if (why.message.starts_with(cut_words))
    return "cut";
  if (!begun)
    return "refused";
  return why.code == errc::unavailable || why.code == errc::timed_out ? "cut" : "answer";
}

result<model_answer> checked_answer(model_answer answer, std::string_view refusal) {
  if (!refusal.empty())
    return error{errc::failed, "the model refuses: " + head_of(refusal, server_words_max)};
  if (answer.finish_reason == "content_filter")
    return error{errc::failed, "the content filter stopped the answer (content_filter)"};
  if (answer.finish_reason == "length")
    return error{errc::output_too_large,
                 fmt::format("the answer was cut after {} tokens (finish_reason length): raise "
                             "max_tokens or ask for less",
                             answer.output_tokens)};
  return answer;
}

} // namespace troupe
