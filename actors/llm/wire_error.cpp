#include "actors/llm/wire_error.hpp"

#include "actors/llm/answer.hpp"
#include "runtime/net/retry_after.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe {
namespace {

// By these `stream_fault_of` knows them again.
constexpr std::string_view inside_words = "the model's server answered with an error: ";
constexpr std::string_view unreadable_words = "the model's answer cannot be read: ";
constexpr std::string_view cut_words = "the answer was cut: the stream ended without ";
constexpr std::string_view overflow_words = "the messages are longer than the model's context: ";

std::string words(const server_error& e) {
  return head_of(e.message, server_words_max);
}

std::string said(int status, const server_error& e) {
  auto text = fmt::format("the model's server answered {} {}", status, net::reason_phrase(status));
  return e.message.empty() ? text : text + ": " + words(e);
}

// The codes and types by which servers say that the messages are too long.
bool says_overflow(const server_error& e) {
  constexpr std::array<std::string_view, 6> codes{
    "context_length_exceeded",       // OpenAI and those who follow it
    "exceed_context_size_error",     // llama.cpp
    "context_exceeded",              // servers made from it
    "model_context_window_exceeded", // Anthropic, GLM
    "string_above_max_length",       // OpenAI, of one message
    "request_too_large",             // Anthropic, in bytes
  };
  return std::any_of(codes.begin(), codes.end(), [&](auto word) { return e.says(word); });
}

// The words of those who have no code for it, or an own one for each version.
bool tells_overflow(const server_error& e) {
  return e.mentions({
    "maximum context length",              // OpenAI, vLLM, OpenRouter, Mistral, Fireworks
    "model's context length",              // SGLang, Together, older vLLM
    "context window",                      // OpenAI's Responses, MiniMax, llama-cpp-python
    "context limit",                       // Anthropic, with max_tokens
    "context size",                        // llama.cpp
    "exceeds the context length",          // Ollama
    "greater than the context length",     // LM Studio
    "prompt is too long",                  // Anthropic
    "prompt too long",                     // Ollama's cloud
    "input is too long",                   // Bedrock
    "too long to fit into the model",      // vLLM
    "maximum model length",                // vLLM
    "max_model_len",                       // vLLM
    "maximum allowed length",              // SGLang
    "maximum allowed input length",        // Poolside
    "exceeds the maximum number of tokens", // Gemini
    "maximum prompt length",               // xAI
    "model token limit",                   // Kimi
    "range of input length",               // Qwen (DashScope)
    "`inputs` tokens",                     // TGI
    "reduce the length of the messages",   // Groq
  });
}

bool throttles(const server_error& e) {
  constexpr std::array<std::string_view, 5> codes{
    "rate_limit_exceeded", "rate_limit_error", "too_many_requests", "rate_limited",
    "RESOURCE_EXHAUSTED",
  };
  return e.status == 429
         || std::any_of(codes.begin(), codes.end(), [&](auto word) { return e.says(word); });
}

bool refuses_key(const server_error& e) {
  return e.status == 401 || e.status == 403 || e.says("authentication_error")
         || e.says("permission_error") || e.says("invalid_api_key");
}

// What means the same in every status and within a stream.
std::optional<error> known(const server_error& e) {
  if (e.says("insufficient_quota") || e.says("billing_error")
      || e.mentions({"credit balance is too low"})) // Anthropic, as a 400
    return error{errc::budget_exceeded, "the quota of the API key is spent (insufficient_quota)"};
  if (says_overflow(e) || (!throttles(e) && tells_overflow(e)))
    return context_overflow(words(e));
  if (e.says("content_policy_violation") || e.says("content_filter"))
    return error{errc::failed, "refused by the content policy: " + words(e)};
  return std::nullopt;
}

} // namespace

error failure_of(const net::http_response& r, utc_time now) {
  auto e = read_server_error(r.body);
  auto s = e.status = r.status;
  auto refused = error{errc::failed, fmt::format("the model's server refuses the API key ({})", s)};
  if (s == 401) // its text may hold parts of the key
    return refused;
  if (auto why = known(e))
    return std::move(*why);
  if (s == 403)
    return refuses_request(e) ? error{errc::failed, said(s, e)} : refused;
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
  if (s == 413)
    return context_overflow(said(s, e)); // in bytes, but again less would do
  if (s == 400 || s == 422)
    return {errc::invalid_input, said(s, e)};
  return {errc::failed, said(s, e)};
}

bool refuses_request(const server_error& e) {
  return e.says("content_policy_violation") || e.says("content_filter")
         || e.says("permission_error") || e.says("model_not_found")
         || e.mentions({"flagged", "moderation", "content policy", "have access to"});
}

error failure_inside(const server_error& e) {
  if (auto why = known(e))
    return std::move(*why);
  auto text = std::string{inside_words} + words(e);
  if (throttles(e))
    return {errc::rate_limited, std::move(text)};
  if (refuses_key(e))
    return {errc::failed, "the model's server refuses the API key"};
  if (e.status == 402)
    return {errc::budget_exceeded, "the account of the API key must be paid (402)"};
  if (e.status == 400 || e.status == 422 || e.says("invalid_request_error"))
    return {errc::invalid_input, std::move(text)};
  return {errc::unavailable, std::move(text), certainty::unknown};
}

error unreadable_answer(std::string_view why) {
  return {errc::unavailable, fmt::format("{}{}", unreadable_words, why),
          certainty::unknown};
}

error too_many_calls() {
  return unreadable_answer(fmt::format("it has more than {} tool calls", tool_calls_max));
}

error context_overflow(std::string_view words) {
  return {errc::invalid_input, fmt::format("{}{}", overflow_words, words)};
}

bool is_context_overflow(const error& e) {
  return e.code == errc::invalid_input && e.message.starts_with(overflow_words);
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

} // namespace troupe
