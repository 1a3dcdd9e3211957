#include "runtime/telemetry/sinks.hpp"

#include <algorithm>

namespace troupe {

void memory_sink::write(const event& e) {
  std::lock_guard lock{mutex_};
  if (kept_.size() == capacity_) {
    kept_.pop_front();
    ++dropped_;
  }
  kept_.push_back(e);
}

std::vector<event> memory_sink::events() const {
  std::lock_guard lock{mutex_};
  return {kept_.begin(), kept_.end()};
}

std::size_t memory_sink::count(std::string_view name) const {
  std::lock_guard lock{mutex_};
  auto same = [&](const event& e) { return e.name == name; };
  return static_cast<std::size_t>(std::count_if(kept_.begin(), kept_.end(), same));
}

std::uint64_t memory_sink::dropped() const {
  std::lock_guard lock{mutex_};
  return dropped_;
}

void memory_sink::clear() {
  std::lock_guard lock{mutex_};
  kept_.clear();
  dropped_ = 0;
}

} // namespace troupe
