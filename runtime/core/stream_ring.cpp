#include "runtime/core/stream_ring.hpp"

#include <algorithm>

namespace troupe::detail {
namespace {

/// What a piece costs beside its text.
constexpr std::size_t chunk_overhead = sizeof(ring_chunk);

std::size_t size_of(const ring_chunk& c) {
  return chunk_overhead + c.text.size();
}

/// Turns chunks into what one reader may see.
struct shown {
  std::vector<stream_chunk>& out;

  void give(const ring_chunk& c, stream_kind what, std::uint32_t seq, std::string text) {
    out.push_back({c.of->name, what, c.attempt, seq, std::move(text), c.call, c.whole});
  }

  void start_over(const ring_chunk& c, stream_progress& p) {
    if (p.began)
      give(c, stream_kind::reset, 0, {});
    p = {};
    p.attempt = c.attempt;
  }

  void piece(const ring_chunk& c, stream_progress& p) {
    if (p.attempt != c.attempt)
      start_over(c, p);
    p.lost = p.lost || c.seq != p.seq;
    if (p.lost)
      return;
    ++p.seq;
    p.began = true;
    if (c.what == stream_kind::text)
      p.bytes += c.text.size();
    give(c, c.what, c.seq, c.text);
  }

  void end(const ring_chunk& c, stream_progress& p) {
    bool differs = p.lost || p.attempt != c.attempt || p.bytes != c.text.size();
    if (c.failure.empty() && c.whole && differs) {
      start_over(c, p);
      if (!c.text.empty())
        give(c, stream_kind::text, p.seq++, c.text);
    }
    give(c, stream_kind::end, p.seq, c.failure);
    p.began = p.ended = true; // asked anew (its commit failed), it begins with a reset
  }
};

} // namespace

std::shared_ptr<stream_state> stream_ring::stream(std::string_view name) {
  auto found = std::find_if(streams.rbegin(), streams.rend(),
                            [&](const auto& s) { return s->name == name; });
  if (found != streams.rend())
    return *found;
  if (streams.size() >= bounds.streams_max) {
    auto old = std::find_if(streams.begin(), streams.end(), [](const auto& s) { return s->ended; });
    streams.erase(old == streams.end() ? streams.begin() : old);
  }
  auto made = std::make_shared<stream_state>();
  made->name = name;
  return streams.emplace_back(std::move(made));
}

void stream_ring::push(ring_chunk c) {
  // What nobody has read yet grows: a chunk in a ring that nobody reads is a whole answer.
  if (!chunks.empty() && read_to < next()) {
    auto& last = chunks.back();
    bool goes_on = !last.void_ && last.of == c.of && last.attempt == c.attempt
                   && last.what == c.what && last.call == c.call && c.what < stream_kind::reset;
    if (goes_on) {
      last.text += c.text;
      bytes += c.text.size();
      --c.of->seq;
      c.of.reset();
    }
  }
  if (c.of) {
    bytes += size_of(c);
    chunks.push_back(std::move(c));
  }
  while (bytes > bounds.ring_bytes_max && !chunks.empty()) {
    bytes -= size_of(chunks.front());
    chunks.pop_front();
    ++first;
  }
}

/// Takes out what has come of `s` before the number `before`.
void stream_ring::void_attempt(const stream_state& s, std::uint64_t before) {
  for (std::size_t i = 0; i < chunks.size() && first + i < before; ++i) {
    auto& c = chunks[i];
    if (c.of.get() != &s || c.void_)
      continue;
    bytes -= c.text.size();
    c.text = {};
    c.void_ = true;
  }
}

std::vector<stream_chunk> stream_ring::read(ring_reader& r) const {
  std::vector<stream_chunk> out;
  shown show{out};
  auto at = std::max(r.next, first);
  for (; at < next(); ++at) {
    const auto& c = chunks[static_cast<std::size_t>(at - first)];
    if (c.void_)
      continue;
    auto& p = r.streams[c.of];
    if (c.what == stream_kind::reset)
      show.start_over(c, p);
    else if (c.what == stream_kind::end)
      show.end(c, p);
    else
      show.piece(c, p);
  }
  if (r.streams.size() > bounds.streams_max)
    std::erase_if(r.streams, [](const auto& s) { return s.second.ended; });
  r.next = at;
  r.told = false;
  return out;
}

std::vector<std::shared_ptr<const std::function<void()>>> stream_ring::waiting() {
  std::vector<std::shared_ptr<const std::function<void()>>> out;
  for (auto& [_, r] : readers)
    if (!std::exchange(r.told, true))
      out.push_back(r.notify);
  return out;
}

// -- the table -----------------------------------------------------------------------------------

stream_rings::slot* stream_rings::find_or_make(const std::string& invocation) {
  auto found = slots.find(invocation);
  if (found == slots.end()) {
    if (slots.size() >= bounds.rings_max && !make_room())
      return nullptr;
    found = slots.emplace(invocation, slot{}).first;
    found->second.ring = std::make_shared<stream_ring>(bounds);
  } else {
    by_use.erase(found->second.touched);
  }
  auto& s = found->second;
  s.touched = ++last_touch;
  s.gone = s.left = false;
  by_use.emplace(s.touched, invocation);
  return &s;
}

// Unread ones first; then those of invocations that have ended, whose readers keep what they have.
bool stream_rings::make_room() {
  for (bool read : {false, true})
    for (auto i = by_use.begin(); i != by_use.end(); ++i) {
      auto s = slots.find(i->second);
      if (s->second.readers > 0 && !(read && s->second.left))
        continue;
      slots.erase(s);
      by_use.erase(i);
      return true;
    }
  return false;
}

} // namespace troupe::detail
