#pragma once
// A few threads for work that blocks.
//
// A tool that waits for a process or reads files would hold one of the scheduler's threads, and all
// agents with it. It runs here instead. Work that is queued is always done: the destructor takes
// no more, lets what was taken run to its end, and joins, so whoever waits for an answer gets it.
// So work must have its own deadline. It may be the work itself that lets go of the pool at last.

#include "runtime/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace troupe::net {

struct blocking_pool_options {
  /// Threads, started at once: blocking work needs no core, but each holds a stack.
  std::size_t threads_max = 4;
  /// Work that waits for a thread; past it, `overloaded`.
  std::size_t queue_max = 256;
};

/// Thread-safe.
class blocking_pool {
public:
  explicit blocking_pool(blocking_pool_options options = {});
  ~blocking_pool();
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Queues `work`, first in, first out. `overloaded` when the queue is full, `shutting_down` while
  /// the pool ends. An exception out of `work` is a bug: it is caught and counted.
  result<void> post(std::function<void()> work);

  std::size_t queued() const;
  std::uint64_t exceptions() const;

private:
  struct state;
  std::shared_ptr<state> state_; ///< its threads have it, too
};

} // namespace troupe::net
