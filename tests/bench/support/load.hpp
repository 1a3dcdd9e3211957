#pragma once
// Agents that the benchmarks share, and a way to submit many of them.

#include "runtime/core/agent.hpp"
#include "tests/bench/support/rig.hpp"

#include <condition_variable>
#include <mutex>

namespace troupe::bench {

/// Counts down from many threads.
class countdown {
public:
  explicit countdown(std::size_t n) : left_(n) {}
  void one() {
    std::unique_lock lock{mutex_};
    if (--left_ == 0)
      zero_.notify_all();
  }
  /// @returns false after `limit`
  bool wait(std::chrono::seconds limit) {
    std::unique_lock lock{mutex_};
    return zero_.wait_for(lock, limit, [this] { return left_ == 0; });
  }

private:
  std::mutex mutex_;
  std::condition_variable zero_;
  std::size_t left_;
};

/// Milliseconds since `begin`.
inline double ms_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

} // namespace troupe::bench
