#include "runtime/net/sse_parser.hpp"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace troupe::net {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// Digits only, as the standard wants it; absent for all else.
std::optional<std::chrono::milliseconds> milliseconds_in(std::string_view text) {
  std::uint32_t value = 0; // 49 days: whoever asks for more has made a mistake
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, value);
  if (read.ec != std::errc{} || read.ptr != end)
    return std::nullopt;
  return std::chrono::milliseconds{value};
}

} // namespace

result<void> sse_parser::feed(std::string_view piece, std::vector<sse_event>& events) {
  if (!piece.empty() && std::exchange(after_cr_, false) && piece.front() == '\n')
    piece.remove_prefix(1);
  while (!piece.empty() && !too_large_) {
    auto end = piece.find_first_of("\r\n");
    auto part = piece.substr(0, end);
    too_large_ = line_.size() + part.size() + data_.size() + type_.size() > size_max_;
    if (too_large_)
      break;
    if (end == piece.npos) {
      line_ += part;
      break;
    }
    if (line_.empty()) {
      end_line(part, events);
    } else {
      line_ += part;
      end_line(line_, events);
      line_.clear();
    }
    after_cr_ = piece[end] == '\r' && end + 1 == piece.size();
    piece.remove_prefix(end + (piece.substr(end, 2) == "\r\n" ? 2 : 1));
  }
  if (too_large_)
    return error{errc::output_too_large,
                 fmt::format("an event of the stream is larger than {} bytes", size_max_),
                 certainty::unknown};
  return {};
}

void sse_parser::end_line(std::string_view line, std::vector<sse_event>& events) {
  if (at_begin_ && line.starts_with(byte_order_mark))
    line.remove_prefix(byte_order_mark.size());
  at_begin_ = false;
  if (line.empty()) {
    dispatch(events);
    return;
  }
  auto colon = line.find(':');
  if (colon == 0)
    return; // a comment, mostly to keep the connection open
  auto value = colon == line.npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' '))
    value.remove_prefix(1);
  field(line.substr(0, colon), value);
}

void sse_parser::field(std::string_view name, std::string_view value) {
  if (name == "data") {
    if (has_data_)
      data_ += '\n';
    data_ += value;
    has_data_ = true;
  } else if (name == "event") {
    type_ = value;
  } else if (name == "id") {
    if (value.find('\0') == value.npos)
      id_ = value;
  } else if (name == "retry") {
    if (auto wait = milliseconds_in(value))
      retry_ = wait;
  }
}

void sse_parser::dispatch(std::vector<sse_event>& events) {
  if (has_data_)
    events.push_back({type_.empty() ? "message" : std::move(type_), std::move(data_), id_});
  type_.clear();
  data_.clear();
  has_data_ = false;
}

} // namespace troupe::net
