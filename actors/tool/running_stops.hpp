#pragma once
// The stop flags of attempts that run on threads of a pool.

#include "actors/tool/tool_backend.hpp"

#include <mutex>
#include <stop_token>
#include <unordered_map>

namespace troupe {

/// Thread-safe.
class running_stops {
public:
  std::stop_token add(attempt_id id) {
    std::lock_guard lock{mutex_};
    return flags_[id].get_token();
  }
  void remove(attempt_id id) {
    std::lock_guard lock{mutex_};
    flags_.erase(id);
  }
  void stop(attempt_id id) {
    auto flag = find(id);
    flag.request_stop(); // outside of the lock: callbacks run in here
  }

private:
  std::stop_source find(attempt_id id) {
    std::lock_guard lock{mutex_};
    auto i = flags_.find(id);
    return i == flags_.end() ? std::stop_source{std::nostopstate} : i->second;
  }

  std::mutex mutex_;
  std::unordered_map<attempt_id, std::stop_source> flags_;
};

} // namespace troupe
