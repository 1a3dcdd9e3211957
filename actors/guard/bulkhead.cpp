#include "actors/guard/bulkhead.hpp"

#include <algorithm>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Bounds of the wait that a refused caller is told.
constexpr milliseconds come_back_min{100};
constexpr milliseconds come_back_max{60'000};

} // namespace

bool bulkhead::take() noexcept {
  if (taken_ >= slots_)
    return false;
  ++taken_;
  return true;
}

waiting_call* bulkhead::pop() {
  if (queue_.empty())
    return nullptr;
  return queue_.extract(queue_.begin()).mapped();
}

waiting_call* bulkhead::release() {
  auto* next = pop();
  if (next == nullptr)
    --taken_;
  return next;
}

milliseconds bulkhead::expected_wait(std::size_t more) const noexcept {
  if (taken_ < slots_)
    return milliseconds{0};
  auto before = static_cast<double>(queue_.size() + more + 1);
  return milliseconds{
    static_cast<milliseconds::rep>(attempt_ms_ * before / static_cast<double>(slots_))};
}

milliseconds bulkhead::come_back_after(std::size_t more) const noexcept {
  return std::clamp(expected_wait(more), come_back_min, come_back_max);
}

void bulkhead::measured(std::chrono::nanoseconds took) noexcept {
  auto ms = std::chrono::duration<double, std::milli>(took).count();
  attempt_ms_ = attempt_ms_ == 0 ? ms : 0.9 * attempt_ms_ + 0.1 * ms;
}

} // namespace troupe
