#pragma once
// What is wrong with a set of options, as a value.
//
// Options come from a topology file, from a command line or from C++; all three want to hear of
// every impossible value at once. So each options struct has a `validate()` that returns problems,
// and whoever read them adds where they stand.

#include <string>
#include <vector>

namespace troupe {

/// One impossible value.
struct option_problem {
  std::string key;     ///< as it stands in TOML, relative to the struct: `timeout`, `reconcile.url`
  std::string message; ///< what is wrong with it; never holds a secret
  std::string hint;    ///< what would be right; may be empty

  bool operator==(const option_problem&) const = default;
};

/// Empty when the options make sense.
using option_problems = std::vector<option_problem>;

} // namespace troupe
