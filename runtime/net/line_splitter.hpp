#pragma once
// Lines out of the pieces in which a pipe gives them, each up to a bound.
//
// A program that writes a gigabyte without a line end must not fill our memory, and what follows it
// must still be read: of a line past the bound only the two ends are kept, where a protocol may
// have put what it belongs to. Pure; not thread-safe.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::net {

/// One line without its end (LF, or CR and LF).
struct text_line {
  std::string text; ///< of a long one: its first bytes
  std::string tail; ///< of a long one: its last bytes
  bool too_long = false;
};

class line_splitter {
public:
  /// Bytes of a long line that are kept of each end.
  static constexpr std::size_t ends_kept = 256;

  explicit line_splitter(std::size_t line_max) : line_max_(line_max) {}

  /// Calls `take(text_line)` for each line that `piece` completes.
  template <class Take>
  void feed(std::string_view piece, Take take) {
    while (!piece.empty()) {
      auto end = piece.find('\n');
      add(piece.substr(0, end));
      if (end == piece.npos)
        return;
      piece.remove_prefix(end + 1);
      take(finish());
    }
  }

  /// What came after the last line end; true where there was something.
  bool rest(text_line& out) {
    if (line_.text.empty())
      return false;
    out = finish();
    return true;
  }

private:
  void add(std::string_view part) {
    if (!line_.too_long && line_.text.size() + part.size() > line_max_) {
      line_.too_long = true;
      line_.tail = line_.text.substr(line_.text.size() - std::min(ends_kept, line_.text.size()));
      line_.text += part.substr(0, ends_kept);
      line_.text.resize(std::min(ends_kept, line_.text.size()));
      line_.text.shrink_to_fit();
    }
    if (!line_.too_long) {
      line_.text += part;
      return;
    }
    line_.tail += part.substr(part.size() - std::min(ends_kept, part.size()));
    if (line_.tail.size() > ends_kept)
      line_.tail.erase(0, line_.tail.size() - ends_kept);
  }

  text_line finish() {
    auto done = std::exchange(line_, text_line{});
    auto& last = done.too_long ? done.tail : done.text;
    if (last.ends_with('\r'))
      last.pop_back();
    return done;
  }

  std::size_t line_max_;
  text_line line_;
};

} // namespace troupe::net
