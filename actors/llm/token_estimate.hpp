#pragma once
// How many tokens a request will take, before anybody has counted them.
//
// A limiter must reserve what a request will use, and a tokenizer for each model would be as large
// as the rest of this program. Four bytes of text are a token in English, fewer in other languages;
// what was really used corrects the limiter afterwards. Pure.

#include "actors/guard/api_key.hpp"
#include "actors/llm/model_types.hpp"

namespace troupe {

/// @param usual_output tokens of an answer whose request sets no bound
token_use estimate_tokens(const model_request& request, double usual_output);

/// No model thinks and writes more than this in one answer, if nobody sets it a bound.
inline constexpr std::int64_t output_tokens_most = 262'144;

/// As a server says; 0: it does not.
struct told_usage {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t cached = 0;
};

/// Puts a count that cannot be right at the most that it can be: else one mistake of a server would
/// stop its limiter for years, and be a bill. Negative ones become 0.
/// @returns what was said, where something was changed
std::optional<told_usage> mend_usage(model_answer& answer, const model_request& request);

/// What an answer took. What its server does not say is estimated from what was asked and written.
token_use tokens_of(const model_answer& answer, const model_request& request);

} // namespace troupe
