#pragma once
// What is wrong in a topology, where, and what would be right.

#include <cstdint>
#include <span>
#include <string>

namespace troupe::config {

/// One error. Neither the texts nor the excerpt hold a secret.
struct diagnostic {
  std::string file;
  std::uint32_t line = 0;   ///< from 1; 0: the file as a whole
  std::uint32_t column = 0; ///< from 1, in characters
  std::string key_path;     ///< `tools.ticketing.timeout`; empty for errors of syntax
  std::string message;
  std::string hint;         ///< may be empty
  std::string excerpt;      ///< the line, values that may be secret blotted out; may be empty
  std::uint32_t caret = 0;  ///< the column in `excerpt`; 0: blotted out
};

/// `desk.toml:12:3: tools.ticketing.timout: unknown key; did you mean 'timeout'?`
std::string to_string(const diagnostic& d);

/// One a line with its excerpt and a caret below, then a count: for people.
std::string render(std::span<const diagnostic> problems);

} // namespace troupe::config
