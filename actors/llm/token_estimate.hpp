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

} // namespace troupe
