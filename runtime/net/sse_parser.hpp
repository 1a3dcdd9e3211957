#pragma once
// Server-sent events out of the pieces in which they arrive.
//
// Models and MCP servers stream their answers as `text/event-stream`, and the network cuts the
// stream where it likes: within a line, between CR and LF, in the middle of a character. The parser
// takes such pieces and gives whole events, as the HTML standard (9.2.6) has it: all three line
// ends, comments, a byte order mark, `id` that stays until the next one, `retry`.
//
//     net::sse_parser parser;
//     std::vector<net::sse_event> events;
//     if (auto ok = parser.feed(piece, events); !ok)
//       return std::move(ok).error();
//
// What follows the last blank line when the stream ends is not an event: `unfinished` tells that
// there was something. Pure; not thread-safe.

#include "runtime/core/result.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::net {

struct sse_event {
  std::string type; ///< `message` where the stream names none
  std::string data; ///< the lines of `data`, joined by LF
  std::string id;   ///< the last one that was given, perhaps with an earlier event

  bool operator==(const sse_event&) const = default;
};

class sse_parser {
public:
  /// One event with all its fields; larger ones end the parsing. A model's chunk has some 300 bytes,
  /// an MCP result up to its own bound.
  static constexpr std::size_t event_size_max = std::size_t{8} << 20;

  explicit sse_parser(std::size_t size_max = event_size_max) : size_max_(size_max) {}

  /// Appends the events that `piece` completes. `output_too_large` (unknown) past the bound; then
  /// and from then on nothing more is taken.
  result<void> feed(std::string_view piece, std::vector<sse_event>& events);

  /// For `Last-Event-ID`; empty where there was none.
  const std::string& last_event_id() const noexcept { return id_; }
  /// How long the far side wants us to wait before we come back.
  std::optional<std::chrono::milliseconds> retry() const noexcept { return retry_; }
  /// Something came after the last whole event: the stream was cut.
  bool unfinished() const noexcept { return !line_.empty() || has_data_ || !type_.empty(); }

private:
  void end_line(std::string_view line, std::vector<sse_event>& events);
  void field(std::string_view name, std::string_view value);
  void dispatch(std::vector<sse_event>& events);

  std::size_t size_max_;
  std::string line_; ///< the beginning of a line whose end has not come
  std::string type_;
  std::string data_;
  std::string id_;
  std::optional<std::chrono::milliseconds> retry_;
  bool has_data_ = false;
  bool at_begin_ = true;
  bool after_cr_ = false;
  bool too_large_ = false;
};

} // namespace troupe::net
