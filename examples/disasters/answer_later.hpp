#pragma once
// Does things at their time, on one thread of its own.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace disasters {

class answer_later {
public:
  using clock = std::chrono::steady_clock;

  answer_later() : thread_([this] { run(); }) {}
  /// What is not due yet is dropped.
  ~answer_later() {
    {
      std::lock_guard lock{mutex_};
      ends_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  answer_later(const answer_later&) = delete;
  answer_later& operator=(const answer_later&) = delete;

  void at(clock::time_point when, std::function<void()> what) {
    {
      std::lock_guard lock{mutex_};
      due_.emplace(when, std::move(what));
    }
    changed_.notify_one();
  }

private:
  void run() {
    std::unique_lock lock{mutex_};
    while (!ends_) {
      if (due_.empty()) {
        changed_.wait(lock);
      } else if (due_.begin()->first > clock::now()) {
        changed_.wait_until(lock, due_.begin()->first);
      } else {
        auto what = due_.extract(due_.begin());
        lock.unlock();
        what.mapped()();
        lock.lock();
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<clock::time_point, std::function<void()>> due_;
  bool ends_ = false;
  std::thread thread_;
};

} // namespace disasters
