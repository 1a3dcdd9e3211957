#pragma once
// Where two JSON texts differ, for people.
//
// "The arguments differ" sends somebody off to compare two lines of 4,000 characters. This names the
// places, by JSON pointer, with what stands there on either side.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// One place. A side is empty where it has nothing there.
struct json_difference {
  std::string path; ///< `/items/0/n`; empty: the whole
  std::string left;
  std::string right;

  bool operator==(const json_difference&) const = default;
};

/// Longest text of one side; of a longer one what surrounds the first difference.
inline constexpr std::size_t difference_shown_max = 80;

/// The first `count_max` places in which they differ; order of keys and spelling of numbers do not
/// count. A text that is not JSON is compared as a whole.
std::vector<json_difference> json_differences(std::string_view left, std::string_view right,
                                              std::size_t count_max = 8);

} // namespace troupe
