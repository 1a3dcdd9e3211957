#pragma once
// JSON as models spell it, spelled as JSON.
//
// Models know JavaScript and Python as well as JSON, and mix them: 'single quotes', {bare: keys},
// trailing commas, True, comments, line breaks within a string, a last bracket that is missing. All
// of these can be read in one way only, so they are. What would have to be guessed is not: a value
// that ends in the middle of a string, a number or a member has lost something, and nobody knows
// what. A comment without an end may have swallowed members: `{"a": 1 // b, "c": 2}` in one line is
// asked for again.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// A value that was read.
struct mended_json {
  std::string text;     ///< strict JSON
  std::size_t size = 0; ///< bytes of the input that it took
  bool changed = false; ///< whether it was not strict JSON as it stood
};

/// Brackets within brackets; deeper is no answer to anything.
inline constexpr std::size_t mend_depth_max = 128;

/// The value at the beginning of `text`; nothing where it cannot be read without a guess.
std::optional<mended_json> mend_json(std::string_view text);

} // namespace troupe
