#pragma once
// Which timer is due next.
//
// A hundred thousand sleeping agents are a hundred thousand timers, most of which are disarmed or
// replaced before they are due. So the heap is never searched: an index says which entry of an
// owner's timer counts, the others are skipped when they come up, and swept out when they are many.
//
// Not thread-safe. `Owner` is a handle that is kept as long as something is armed for it.

#include "runtime/core/clock.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

template <class Owner>
class timer_queue {
public:
  using owner_id = std::uint64_t;

  struct fired {
    Owner who;
    std::uint64_t id;
  };

  /// Arms (who, id), instead of an earlier one with these two. O(log n).
  void arm(owner_id who, const Owner& handle, std::uint64_t id, utc_time due) {
    auto& owner = owners_.try_emplace(who, entry{handle, {}}).first->second;
    auto seq = ++last_seq_;
    if (owner.timers.insert_or_assign(id, seq).second)
      ++live_;
    heap_.push_back({due, seq, who, id});
    std::push_heap(heap_.begin(), heap_.end(), later);
    sweep();
  }

  void disarm(owner_id who, std::uint64_t id) {
    auto i = owners_.find(who);
    if (i == owners_.end())
      return;
    live_ -= i->second.timers.erase(id);
    if (i->second.timers.empty())
      owners_.erase(i);
    sweep();
  }

  /// Forgets all that is armed for `who`.
  void disarm(owner_id who) {
    auto i = owners_.find(who);
    if (i == owners_.end())
      return;
    live_ -= i->second.timers.size();
    owners_.erase(i);
    sweep();
  }

  /// The next timer that is due at `now`; among equals the one armed first.
  std::optional<fired> pop(utc_time now) {
    if (earliest() > now || live_ == 0)
      return std::nullopt;
    auto top = heap_.front();
    drop_top();
    fired out{owners_.find(top.who)->second.handle, top.id};
    disarm(top.who, top.id);
    return out;
  }

  /// When the next one is due; `never` when there is none.
  utc_time earliest() {
    while (!heap_.empty() && !counts(heap_.front()))
      drop_top();
    return heap_.empty() ? never : heap_.front().due;
  }

  bool armed(owner_id who, std::uint64_t id) const {
    auto i = owners_.find(who);
    return i != owners_.end() && i->second.timers.contains(id);
  }

  std::size_t size() const noexcept { return live_; }
  /// Entries in memory, those that no longer count included.
  std::size_t held() const noexcept { return heap_.size(); }

private:
  struct item {
    utc_time due;
    std::uint64_t seq;
    owner_id who;
    std::uint64_t id;
  };
  struct entry {
    Owner handle;
    /// Id to seq. Mostly one, but the dispatcher has one for each sleeper that is not in memory.
    std::unordered_map<std::uint64_t, std::uint64_t> timers;
  };

  /// Below this many entries, sweeping is not worth it.
  static constexpr std::size_t sweep_min = 64;

  static bool later(const item& a, const item& b) {
    return a.due != b.due ? a.due > b.due : a.seq > b.seq;
  }

  bool counts(const item& x) const {
    auto i = owners_.find(x.who);
    if (i == owners_.end())
      return false;
    auto t = i->second.timers.find(x.id);
    return t != i->second.timers.end() && t->second == x.seq;
  }

  void drop_top() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }

  void sweep() {
    if (heap_.size() < sweep_min || heap_.size() / 2 < live_)
      return;
    std::erase_if(heap_, [this](const item& x) { return !counts(x); });
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

  std::vector<item> heap_;
  std::unordered_map<owner_id, entry> owners_;
  std::size_t live_ = 0;
  std::uint64_t last_seq_ = 0;
};

} // namespace troupe
