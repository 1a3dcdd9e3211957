#pragma once
// From what a model said to the JSON value that was asked for.
//
// Models put JSON into code fences, and words before and after it. What stands around the value is
// taken off; the value itself is mended where it can be read in one way only (json_mend.hpp). Where
// it cannot, the model is asked again.

#include "runtime/core/schema_validator.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe {

/// Beginnings of a value that are tried in one answer: prose full of brackets is not searched for
/// ever.
inline constexpr std::size_t answer_candidates_max = 64;

/// The first JSON value in `text` that fits `schema`, as it is spelled.
///
/// @returns `errc::schema_mismatch`: what is wrong with the first value, or that there is none. The
///          message is a sentence for the model.
result<std::string> find_answer(std::string_view text, const schema_validator& schema);

/// Without the blanks around it.
std::string_view trimmed(std::string_view text);

/// The user message that asks a model again.
std::string complaint(const error& wrong);

/// The beginning of `text` for an error message: at most `bytes_max` bytes, whole characters.
std::string head_of(std::string_view text, std::size_t bytes_max = 200);

} // namespace troupe
