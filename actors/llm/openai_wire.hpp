#pragma once
// The Chat Completions API as text: requests out, answers and errors in. Pure functions.
//
// Servers that speak this API differ in what they refuse. What is found out about one at run time
// is its `openai_dialect`: it begins with everything, and each refusal takes something away.

#include "actors/llm/model_backend.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/net/http_transport.hpp"

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

namespace troupe {

/// What a server has been found to take.
struct openai_dialect {
  /// Schemas that are remembered as refused; past it none is sent natively any more.
  static constexpr std::size_t refused_max = 64;

  /// `response_format: json_schema`; else the schema stands in a system message.
  bool native_schema = true;
  /// Hashes of schemas that it refused: strict mode knows only a part of JSON Schema.
  std::set<std::uint64_t> refused_schemas{};
  /// Reasoning models want `max_completion_tokens` and not `max_tokens`.
  bool old_max_tokens = true;
  /// Reasoning models refuse any but their own temperature.
  bool temperature = true;

  bool takes(std::string_view schema) const;
};

/// The body of `POST {base_url}/chat/completions`.
std::string openai_body(const model_request& request, std::string_view model,
                        const openai_dialect& dialect);

/// The answer in a response of any status, or the error that it stands for.
///
/// @param now for `Retry-After` as a date
result<model_answer> read_openai(const net::http_response& response, utc_time now);

/// Takes from `dialect` what a 400 says that the server does not take.
///
/// @param sent the dialect that the request was sent in; others may have changed `dialect` since
/// @returns whether the request, said otherwise, is worth another try
bool adapt(openai_dialect& dialect, const openai_dialect& sent, const net::http_response& response,
           const model_request& request);

} // namespace troupe
