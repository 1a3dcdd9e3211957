#include "actors/gateway/word_line.hpp"

#include "actors/gateway/event_stream.hpp"

#include <algorithm>

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
  if (hub != nullptr)
    find_children();
  bool more = false;
  for (auto& one : children) {
    more = text.size() > behind_max && !last; // the rest waits in its rings
    if (more)
      break;
    for (const auto& c : one.words.read())
      append_words(text, c, &one.who);
  }
  auto written = text.empty() || out.raw().write_chunk(std::move(text)).has_value();
  if (!written || !goes_on || (speaks && speaks->over()))
    return line_state::ended;
  return more ? line_state::behind : line_state::open;
}

// Of children, too: the list grows while it is gone through.
void word_line::find_children() {
  auto take = [this](const stream_reader& of) {
    for (auto& who : of.children()) {
      bool known = std::ranges::any_of(children, [&](const child& c) { return c.who == who; });
      if (known || children.size() >= children_max)
        continue;
      auto in = hub->follow(who.invocation, writer());
      children.push_back({std::move(who), std::move(in)});
    }
  };
  take(words);
  for (std::size_t i = 0; i < children.size(); ++i)
    take(children[i].words);
}

// Weak: the hub holds this for as long as the line has its reader.
std::function<void()> word_line::writer() {
  return [weak = weak_from_this()] {
    auto line = weak.lock();
    if (!line)
      return;
    auto how = line_state::open;
    {
      std::lock_guard lock{line->mutex};
      how = line->send(false);
    }
    if (how != line_state::open)
      line->otherwise();
  };
}

} // namespace troupe::gateway
