#include "actors/gateway/word_line.hpp"

#include "actors/gateway/event_stream.hpp"

namespace troupe::gateway {

line_state word_line::send(bool last) {
  if (closed || !words)
    return line_state::open;
  if (!last && out.raw().waiting() > behind_max)
    return line_state::behind;
  std::string text;
  bool goes_on = true;
  for (const auto& c : words.read()) {
    if (!speaks)
      append_words(text, c);
    else
      goes_on = speaks->piece(text, c) && goes_on;
  }
  auto written = text.empty() || out.raw().write_chunk(std::move(text)).has_value();
  return written && goes_on ? line_state::open : line_state::ended;
}

// Weak: the hub holds this for as long as the line has its reader.
std::function<void()> writes_words(const std::shared_ptr<word_line>& line,
                                   std::function<void()> otherwise) {
  return [weak = std::weak_ptr{line}, otherwise = std::move(otherwise)] {
    auto l = weak.lock();
    if (!l)
      return;
    auto how = line_state::open;
    {
      std::lock_guard lock{l->mutex};
      how = l->send(false);
    }
    if (how != line_state::open)
      otherwise();
  };
}

} // namespace troupe::gateway
