#include "actors/guard/gcra.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe {
namespace {

constexpr double minute_ns = 60e9;

/// Rounding of doubles must not keep the last token of a burst back.
constexpr double slack = 1e-6;

/// Longer than any overdraft that somebody waits for, and far from where 64 bits end.
constexpr double time_max_ns = 365.0 * 24 * 3600 * 1e9;

} // namespace

gcra::gcra(double rate_per_minute, double burst)
  : per_token_(rate_per_minute > 0 ? minute_ns / rate_per_minute : 0),
    burst_(std::max(burst, 1.0)) {}

std::chrono::nanoseconds gcra::time_of(double n) const noexcept {
  return std::chrono::nanoseconds{
    static_cast<std::int64_t>(std::clamp(std::ceil(n * per_token_), -time_max_ns, time_max_ns))};
}

std::optional<steady_time> gcra::when(double n, steady_time now) const noexcept {
  if (!limits())
    return now;
  if (n > burst_ + slack)
    return std::nullopt;
  auto room_at = full_at_ - time_of(burst_ - n + slack);
  return std::max(now, room_at);
}

void gcra::take(double n, steady_time now) noexcept {
  if (limits())
    full_at_ = std::max(full_at_, now) + time_of(n);
}

void gcra::give_back(double n) noexcept {
  if (limits())
    full_at_ -= time_of(n);
}

void gcra::at_most(double left, steady_time now) noexcept {
  if (limits())
    full_at_ = std::max(full_at_, now + time_of(burst_ - std::max(left, 0.0)));
}

double gcra::tokens(steady_time now) const noexcept {
  if (!limits())
    return std::numeric_limits<double>::max();
  auto missing = std::chrono::duration<double, std::nano>(full_at_ - now).count() / per_token_;
  return burst_ - std::max(missing, 0.0);
}

} // namespace troupe
