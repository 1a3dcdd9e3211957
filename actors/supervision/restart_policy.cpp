#include "actors/supervision/restart_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace troupe {

using std::chrono::milliseconds;

bool restart_window::count(steady_time now) {
  times_.push_back(now);
  while (times_.front() + period_ <= now)
    times_.pop_front();
  return times_.size() <= intensity_;
}

milliseconds restart_delay(const backoff_options& options, std::uint32_t step,
                           random_source& random) {
  auto grown = static_cast<double>(options.min.count()) * std::pow(options.factor, step);
  auto delay = std::min(grown, static_cast<double>(options.max.count()));
  constexpr double steps = 1U << 20U;
  auto chance = static_cast<double>(random.next() % (1U << 20U)) / steps; // [0, 1)
  delay *= 1 + options.jitter * (2 * chance - 1);
  return milliseconds{static_cast<milliseconds::rep>(delay)};
}

void checkpoint_history::save(std::string state) {
  kept_.push_back(std::move(state));
  ++saved_since_start_;
  if (kept_.size() > size_max_)
    kept_.pop_front();
}

void checkpoint_history::died(bool at_once) {
  auto suspicious = std::min(std::exchange(saved_since_start_, 0), kept_.size());
  if (!at_once) {
    back_ = 0;
    return;
  }
  for (; suspicious > 0; --suspicious)
    kept_.pop_back();
  ++back_;
}

std::string checkpoint_history::next() const {
  return back_ < kept_.size() ? kept_[kept_.size() - 1 - back_] : std::string{};
}

std::string checkpoint_history::describe() const {
  if (back_ >= kept_.size())
    return "none";
  return back_ == 0 ? "latest" : fmt::format("{} before the latest", back_);
}

} // namespace troupe
