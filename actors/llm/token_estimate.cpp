#include "actors/llm/token_estimate.hpp"

namespace troupe {
namespace {

constexpr double bytes_per_token = 4;
constexpr double per_message = 4; ///< its role and what stands around it
/// A picture of usual size, as the providers count: their figures lie between 85 and 1,600.
constexpr double per_image = 1'000;

} // namespace

token_use estimate_tokens(const model_request& r, double usual_output) {
  std::size_t bytes = r.schema.size();
  double input = 0;
  for (const auto& m : r.messages) {
    bytes += m.content.size();
    for (const auto& c : m.tool_calls)
      bytes += c.name.size() + c.arguments.size();
    input += per_message + per_image * static_cast<double>(m.images.size());
  }
  for (const auto& t : r.tools)
    bytes += t.name.size() + t.description.size() + t.parameters.size();
  input += static_cast<double>(bytes) / bytes_per_token;
  return {input, r.max_tokens > 0 ? static_cast<double>(r.max_tokens) : usual_output};
}

} // namespace troupe
