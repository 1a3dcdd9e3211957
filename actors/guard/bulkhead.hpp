#pragma once
// How many attempts of one service run at once, and who is next.
//
// A service that hangs must not take the whole process with it: so many attempts run, so many calls
// wait, all others are told to come back. The one that called first goes first, also after a pause.
//
// Pure logic; not thread-safe. A slot that is freed passes to the next in line without ever being
// free, so that nobody overtakes.

#include "actors/guard/call_waits.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>

namespace troupe {

class bulkhead {
public:
  bulkhead(std::uint32_t concurrent, std::uint32_t queue) : slots_(concurrent), queue_max_(queue) {}

  /// Takes a slot; false where none is free.
  bool take() noexcept;
  /// Whether as many wait as may.
  bool full() const noexcept { return queue_.size() >= queue_max_; }

  void push(waiting_call& c) { queue_.emplace(c.no, &c); }
  void erase(const waiting_call& c) { queue_.erase(c.no); }
  /// The oldest that waits is taken out; null when nobody waits.
  waiting_call* pop();
  /// A slot is free. It is the next one's, who is returned and must be woken; or nobody's: null.
  waiting_call* release();

  /// How long one that comes now would wait for its turn, as far as the last attempts tell;
  /// 0 where a slot is free or nothing was measured yet.
  /// @param more  how many stand before it beside those in the queue
  std::chrono::milliseconds expected_wait(std::size_t more = 0) const noexcept;
  /// What to tell one who is turned away, within bounds that make sense.
  std::chrono::milliseconds come_back_after(std::size_t more = 0) const noexcept;
  /// An attempt has ended.
  void measured(std::chrono::nanoseconds took) noexcept;

  std::uint32_t taken() const noexcept { return taken_; }
  std::size_t waiting() const noexcept { return queue_.size(); }

private:
  std::uint32_t slots_;
  std::size_t queue_max_;
  std::uint32_t taken_ = 0;
  std::map<std::uint64_t, waiting_call*> queue_; ///< by number, the oldest first
  double attempt_ms_ = 0;                        ///< moving average; 0: nothing has ended yet
};

} // namespace troupe
