#pragma once
// How many tokens a text costs, before a model has said so. Pure.
//
// A window must be cut before the model is asked, each provider has a tokenizer of its own, and two
// runs must agree. So it is a rule of thumb: four bytes of ASCII are a token, any other character is
// one by itself. Off by a fifth for prose, more for code; on the safe side for other scripts.

#include <cstdint>
#include <string_view>

namespace troupe {

/// What a message costs beside its text: its role and its ends.
inline constexpr std::int64_t message_tokens = 4;

/// 0 for an empty text, else at least 1.
std::int64_t estimate_tokens(std::string_view text) noexcept;

} // namespace troupe
