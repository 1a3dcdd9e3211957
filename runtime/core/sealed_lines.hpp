#pragma once
// Files of JSON lines in which a damaged line is found, and named.
//
// A file that people pass on gets edited, merged, cut off by a full disk or a killed process, and a
// test that then runs on half of it is worse than one that fails. So each line ends in a checksum
// over itself and all lines before it:
//
//     {"troupe_journal":1,"id":"k3f9x2-17","sum":"0d1c77e2"}
//     {"entry":"started",...,"sum":"9b40a3f1"}
//
// The sum is the CRC-32C of the line up to `,"sum"`, begun with the sum of the line before (0 for
// the first), in 8 hex digits. Adding a line needs the last sum only, so such a file can be appended
// to. It guards against accidents, not against people.

#include "runtime/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

class line_sealer {
public:
  /// @param before sum of the line after which it goes on
  explicit line_sealer(std::uint32_t before = 0) : sum_(before) {}

  /// `{"a":1}` becomes a line, with its sum and the line break.
  std::string seal(std::string object);

private:
  std::uint32_t sum_;
};

/// Goes through such a file. The text must outlive it.
class sealed_reader {
public:
  /// @param name what errors call the file
  sealed_reader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  /// The next line, checked; false at the end and after a failure.
  bool next(std::string_view& line);

  /// Why `next` stopped, where not at the end: `refund.journal:17: ...`
  result<void> state() const { return state_; }
  /// An error that names the line that `next` has given last.
  error at_line(std::string_view what, errc code = errc::corrupted) const;

  /// What follows the last whole line: of a file that was cut off while it was written, the
  /// beginning of a line.
  std::string_view rest() const noexcept { return text_.substr(at_); }
  std::size_t position() const noexcept { return at_; } ///< bytes of whole lines so far
  std::size_t line() const noexcept { return line_; }
  std::uint32_t sum() const noexcept { return sum_; }

private:
  std::string_view text_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::size_t line_ = 0;
  std::uint32_t sum_ = 0;
  result<void> state_;
};

} // namespace troupe
