#include "runtime/net/blocking_pool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe::net {

struct blocking_pool::state {
  blocking_pool_options options;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  std::uint64_t exceptions = 0;
  bool ending = false;
  std::vector<std::thread> threads;

  void run() {
    std::unique_lock lock{mutex};
    for (;;) {
      wake.wait(lock, [this] { return ending || !queue.empty(); });
      if (queue.empty())
        return;
      auto work = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      auto threw = !finish(std::move(work));
      lock.lock();
      exceptions += threw ? 1 : 0;
    }
  }

  /// Also destroys `work`, outside the lock: what it captured may post again.
  static bool finish(std::function<void()> work) noexcept {
    try {
      work();
      return true;
    } catch (...) {
      return false;
    }
  }
};

blocking_pool::blocking_pool(blocking_pool_options options) : state_(std::make_shared<state>()) {
  options.threads_max = std::max<std::size_t>(options.threads_max, 1);
  state_->options = options;
  for (std::size_t i = 0; i < options.threads_max; ++i)
    state_->threads.emplace_back([s = state_] { s->run(); });
}

blocking_pool::~blocking_pool() {
  {
    std::lock_guard lock{state_->mutex};
    state_->ending = true;
  }
  state_->wake.notify_all();
  bool inside = false; // the last who knew of it was its own work
  for (auto& thread : state_->threads)
    inside = inside || thread.get_id() == std::this_thread::get_id();
  if (inside)
    state_->run();
  for (auto& thread : state_->threads)
    if (thread.get_id() == std::this_thread::get_id())
      thread.detach(); // it only comes back from here
    else
      thread.join();
}

result<void> blocking_pool::post(std::function<void()> work) {
  {
    std::lock_guard lock{state_->mutex};
    if (state_->ending)
      return error{errc::shutting_down, "the pool for blocking work ends"};
    if (state_->queue.size() >= state_->options.queue_max)
      return error{errc::overloaded, fmt::format("{} pieces of blocking work wait already "
                                                 "(queue_max)",
                                                 state_->options.queue_max)};
    state_->queue.push_back(std::move(work));
  }
  state_->wake.notify_one();
  return {};
}

std::size_t blocking_pool::queued() const {
  std::lock_guard lock{state_->mutex};
  return state_->queue.size();
}

std::uint64_t blocking_pool::exceptions() const {
  std::lock_guard lock{state_->mutex};
  return state_->exceptions;
}

} // namespace troupe::net
