#include "actors/llm/token_estimate.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr double bytes_per_token = 4;
constexpr double per_message = 4; ///< its role and what stands around it
/// A picture of usual size, as the providers count: their figures lie between 85 and 1,600.
constexpr double per_image = 1'000;

/// A token has a byte at least; what a provider puts around a request has some thousands.
constexpr std::int64_t around_request = 20'000;
constexpr std::int64_t per_image_most = 20'000;

std::size_t text_bytes(const model_request& r) {
  auto bytes = r.schema.size();
  for (const auto& m : r.messages) {
    bytes += m.content.size();
    for (const auto& c : m.tool_calls)
      bytes += c.name.size() + c.arguments.size();
  }
  for (const auto& t : r.tools)
    bytes += t.name.size() + t.description.size() + t.parameters.size();
  return bytes;
}

std::int64_t images_in(const model_request& r) {
  std::size_t n = 0;
  for (const auto& m : r.messages)
    n += m.images.size();
  return static_cast<std::int64_t>(n);
}

std::size_t text_bytes(const model_answer& a) {
  auto bytes = a.text.size() + a.reasoning.size();
  for (const auto& c : a.tool_calls)
    bytes += c.name.size() + c.arguments.size();
  return bytes;
}

} // namespace

token_use estimate_tokens(const model_request& r, double usual_output) {
  auto input = static_cast<double>(text_bytes(r)) / bytes_per_token
               + per_message * static_cast<double>(r.messages.size())
               + per_image * static_cast<double>(images_in(r));
  return {input, r.max_tokens > 0 ? static_cast<double>(r.max_tokens) : usual_output};
}

std::optional<told_usage> mend_usage(model_answer& a, const model_request& r) {
  told_usage said{a.input_tokens, a.output_tokens, a.cached_tokens};
  auto input = static_cast<std::int64_t>(text_bytes(r)) + around_request
               + per_image_most * images_in(r);
  auto written = static_cast<std::int64_t>(text_bytes(a));
  auto output = std::max(r.max_tokens > 0 ? r.max_tokens : output_tokens_most, written);
  a.input_tokens = std::clamp(a.input_tokens, std::int64_t{0}, input);
  a.output_tokens = std::clamp(a.output_tokens, std::int64_t{0}, output);
  a.cached_tokens = std::clamp(a.cached_tokens, std::int64_t{0}, a.input_tokens);
  bool right = a.input_tokens == said.input && a.output_tokens == said.output
               && a.cached_tokens == said.cached;
  return right ? std::nullopt : std::optional{said};
}

token_use tokens_of(const model_answer& a, const model_request& r) {
  token_use out{static_cast<double>(a.input_tokens), static_cast<double>(a.output_tokens)};
  if (a.input_tokens <= 0)
    out.input = estimate_tokens(r, 0).input;
  if (a.output_tokens <= 0)
    out.output = static_cast<double>(text_bytes(a)) / bytes_per_token;
  return out;
}

} // namespace troupe
