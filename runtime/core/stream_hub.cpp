#include "runtime/core/stream_hub.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/stream_ring.hpp"

#include <algorithm>

namespace troupe {

using detail::ring_chunk;
using detail::stream_ring;

namespace {

struct spoken {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(spoken, (), (text))

void tell(const std::vector<std::shared_ptr<const std::function<void()>>>& who) {
  for (const auto& notify : who)
    (*notify)();
}

/// Up to where all who read have read.
std::uint64_t read_by_all(const stream_ring& ring) {
  auto out = ring.next();
  for (const auto& [_, r] : ring.readers)
    out = std::min(out, r.next);
  return out;
}

} // namespace

std::string_view to_string(stream_kind k) noexcept {
  switch (k) {
    case stream_kind::text:
      return "text";
    case stream_kind::reasoning:
      return "reasoning";
    case stream_kind::tool_call:
      return "tool_call";
    case stream_kind::reset:
      return "reset";
    case stream_kind::end:
      return "end";
  }
  return "?";
}

// -- who writes ----------------------------------------------------------------------------------

void stream_writer::add(stream_kind what, std::string_view text, std::size_t call) const {
  if (!ring_ || text.empty())
    return;
  std::unique_lock lock{ring_->mutex};
  auto& s = *state_;
  if (!s.open || s.attempt != attempt_)
    return;
  if (!std::exchange(s.spoke, true))
    s.first = ring_->next();
  ring_chunk c{state_, what, attempt_, s.seq++, std::string{text}, call};
  ring_->push(std::move(c));
  auto who = ring_->waiting();
  lock.unlock();
  tell(who);
}

bool stream_writer::seen() const {
  if (!ring_)
    return false;
  std::lock_guard lock{ring_->mutex};
  return state_->attempt == attempt_ && ring_->seen(*state_);
}

void stream_writer::close() const {
  if (!ring_)
    return;
  std::lock_guard lock{ring_->mutex};
  if (state_->attempt == attempt_)
    state_->open = false;
}

stream_hub::stream_hub(stream_bounds bounds)
  : rings_(std::make_shared<detail::stream_rings>(bounds)) {}

stream_hub::~stream_hub() = default;

stream_writer stream_hub::begin(const std::string& invocation, std::string_view stream) {
  stream_writer out;
  {
    std::lock_guard lock{rings_->mutex};
    auto* slot = rings_->find_or_make(invocation);
    if (slot == nullptr)
      return out;
    out.ring_ = slot->ring;
  }
  auto& ring = *out.ring_;
  std::unique_lock lock{ring.mutex};
  out.state_ = ring.stream(stream);
  auto& s = *out.state_;
  bool visible = ring.seen(s);
  ring.void_attempt(s, ring.next());
  out.attempt_ = ++s.attempt;
  s.seq = 0;
  s.spoke = s.ended = false;
  s.open = true;
  if (!visible)
    return out;
  ring.push(ring_chunk{out.state_, stream_kind::reset, out.attempt_, 0, {}, 0});
  auto who = ring.waiting();
  lock.unlock();
  tell(who);
  return out;
}

void stream_hub::settle(const std::string& invocation, std::string_view stream,
                        const result<std::string>& outcome) {
  std::shared_ptr<stream_ring> ring;
  {
    std::lock_guard lock{rings_->mutex};
    auto* slot = rings_->find_or_make(invocation);
    if (slot == nullptr)
      return;
    ring = slot->ring;
  }
  std::unique_lock lock{ring->mutex};
  auto state = ring->stream(stream);
  if (std::exchange(state->ended, true))
    return;
  state->open = false;
  ring_chunk c{state, stream_kind::end, std::max(state->attempt, 1U), 0, {}, 0};
  state->attempt = c.attempt;
  if (!outcome)
    c.failure = to_string(outcome.error().code);
  else if (auto said = from_json<spoken>(*outcome))
    c.text = std::move(said->text);
  c.whole = c.text.size() <= ring->bounds.ring_bytes_max / 2;
  if (!c.whole)
    c.text = {};
  // Who comes from now on gets the whole text, so the pieces are for those alone who have begun.
  ring->void_attempt(*state, read_by_all(*ring));
  if (!std::exchange(state->spoke, true))
    state->first = ring->next();
  ring->push(std::move(c));
  auto who = ring->waiting();
  lock.unlock();
  tell(who);
}

void stream_hub::adopt(const std::string& parent, stream_child child) {
  std::shared_ptr<stream_ring> ring;
  {
    std::lock_guard lock{rings_->mutex};
    auto* slot = rings_->find_or_make(parent);
    if (slot == nullptr)
      return;
    ring = slot->ring;
  }
  std::unique_lock lock{ring->mutex};
  auto& all = ring->children;
  if (all.size() >= ring->bounds.children_max || std::ranges::find(all, child) != all.end())
    return;
  all.push_back(std::move(child));
  auto who = ring->waiting();
  lock.unlock();
  tell(who);
}

bool stream_hub::seen(const std::string& invocation, std::string_view stream) const {
  std::shared_ptr<stream_ring> ring;
  {
    std::lock_guard lock{rings_->mutex};
    auto found = rings_->slots.find(invocation);
    if (found == rings_->slots.end())
      return false;
    ring = found->second.ring;
  }
  std::lock_guard lock{ring->mutex};
  auto known = std::ranges::find(ring->streams, stream, [](const auto& s) { return s->name; });
  return known != ring->streams.end() && ring->seen(**known);
}

void stream_hub::forget(const std::string& invocation) {
  std::lock_guard lock{rings_->mutex};
  auto found = rings_->slots.find(invocation);
  if (found == rings_->slots.end())
    return;
  found->second.gone = found->second.left = true;
  if (found->second.readers > 0)
    return;
  rings_->by_use.erase(found->second.touched);
  rings_->slots.erase(found);
}

std::size_t stream_hub::rings() const {
  std::lock_guard lock{rings_->mutex};
  return rings_->slots.size();
}

// -- who reads -----------------------------------------------------------------------------------

struct stream_reader::place {
  std::shared_ptr<detail::stream_rings> rings;
  std::string invocation;
  std::shared_ptr<stream_ring> ring;
  std::uint64_t id = 0;

  ~place() {
    std::lock_guard lock{rings->mutex};
    {
      std::lock_guard inner{ring->mutex};
      ring->readers.erase(id);
    }
    auto found = rings->slots.find(invocation);
    if (found == rings->slots.end() || found->second.ring != ring)
      return;
    if (--found->second.readers > 0 || !found->second.gone)
      return;
    rings->by_use.erase(found->second.touched);
    rings->slots.erase(found);
  }
};

stream_reader::stream_reader() = default;
stream_reader::~stream_reader() = default;
stream_reader::stream_reader(stream_reader&&) noexcept = default;
stream_reader& stream_reader::operator=(stream_reader&&) noexcept = default;

std::vector<stream_chunk> stream_reader::read() {
  if (!place_)
    return {};
  std::lock_guard lock{place_->ring->mutex};
  auto& me = place_->ring->readers.at(place_->id);
  auto out = place_->ring->read(me);
  place_->ring->read_to = std::max(place_->ring->read_to, me.next);
  return out;
}

std::vector<stream_child> stream_reader::children() const {
  if (!place_)
    return {};
  std::lock_guard lock{place_->ring->mutex};
  return place_->ring->children;
}

stream_reader stream_hub::follow(const std::string& invocation, std::function<void()> notify) {
  stream_reader out;
  std::lock_guard lock{rings_->mutex};
  auto known = rings_->slots.find(invocation);
  bool gone = known == rings_->slots.end() || known->second.gone;
  auto* slot = rings_->find_or_make(invocation);
  if (slot == nullptr)
    return out;
  slot->gone = gone; // where nobody ever writes, it goes with its readers
  ++slot->readers;
  auto p = std::make_unique<stream_reader::place>();
  p->rings = rings_;
  p->invocation = invocation;
  p->ring = slot->ring;
  p->id = ++rings_->last_reader;
  std::lock_guard inner{slot->ring->mutex};
  detail::ring_reader r;
  r.notify = std::make_shared<const std::function<void()>>(std::move(notify));
  r.next = slot->ring->first;
  slot->ring->readers.emplace(p->id, std::move(r));
  out.place_ = std::move(p);
  return out;
}

} // namespace troupe
