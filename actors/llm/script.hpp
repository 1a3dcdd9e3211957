#pragma once
// What a scripted model answers: a file, so that agents run offline and twice the same.
//
//     {"latency_ms": [20, 60],
//      "chunk_ms": 5,
//      "rules": [{"when": {"contains": ["T-1001"]},
//                 "answer": {"queue": "billing"},
//                 "usage": {"input_tokens": 494, "output_tokens": 148},
//                 "times": 1},
//                {"when": {"last": ["parcel"]},
//                 "tool_calls": [{"name": "track", "arguments": {"id": "P-1"}}]}],
//      "sequence": ["first", "second"],
//      "otherwise": "I do not know.",
//      "faults": [{"every": 13, "error": "rate_limited"}]}
//
// The first rule counts all of whose texts occur in the messages (joined by newlines, ASCII letters
// of either case alike; those of `last` in the last message) and that has not matched `times` times;
// else the next of the sequence; else `otherwise`. An answer that is a string is what the model
// says, word by word; any other JSON value is said as JSON text. `tool_calls` may stand beside
// `answer` or in place of it. In `sequence` and `otherwise`, an object of nothing but these and
// `usage` is such an answer. Who streams gets the words one by one, every `chunk_ms`.

#include "runtime/core/result.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

/// One answer of the script.
struct script_answer {
  std::string text;
  std::int64_t input_tokens = -1; ///< negative: not said; a quarter of the characters
  std::int64_t output_tokens = -1;
  /// Names and arguments (JSON text).
  std::vector<std::pair<std::string, std::string>> tool_calls{};
};

struct script_rule {
  std::vector<std::string> contains; ///< ASCII letters in lower case
  std::vector<std::string> last;     ///< likewise, of the last message alone
  script_answer answer;
  std::uint64_t times = 0; ///< 0: without end
};

enum class script_error : std::uint8_t {
  unavailable,
  rate_limited,
  timed_out,
  malformed, ///< an answer that breaks off in the middle
};

struct script_fault {
  std::uint64_t every = 1; ///< each n-th request, counted from 1
  script_error how = script_error::unavailable;
};

struct model_script {
  /// Bytes of a file: more is not a script that somebody wrote.
  static constexpr std::size_t size_max = std::size_t{16} << 20;

  std::chrono::milliseconds latency_min{0};
  std::chrono::milliseconds latency_max{0};
  std::chrono::milliseconds chunk{0}; ///< between two words of a streamed answer; 0: all at once
  std::vector<script_rule> rules;
  std::vector<script_answer> sequence;
  std::optional<script_answer> otherwise;
  std::vector<script_fault> faults;
};

/// @param name what errors call it, e.g. the file's name
/// @returns `errc::invalid_input` listing each mistake with its place: `fast.script.json:
///          /rules/3/times: expected an integer above 0`
result<model_script> parse_script(std::string_view text, std::string_view name);

/// The same from a file; `errc::not_found` where it cannot be read.
result<model_script> load_script(const std::filesystem::path& file);

/// ASCII letters in lower case, all else as it is.
std::string lower_case(std::string_view text);

} // namespace troupe
