#include "actors/guard/call_window.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::string_view letters = ".fsF"; // by its bits

} // namespace

call_window::call_window(std::uint32_t count, std::chrono::milliseconds span)
  : bucket_(std::chrono::nanoseconds{span} / buckets), count_(count) {
  if (bucket_.count() == 0)
    ring_.reserve(count);
}

void call_window::count(std::uint8_t call, bool in) noexcept {
  auto change = [in](std::uint32_t& n, bool yes) { n = yes ? (in ? n + 1 : n - 1) : n; };
  change(sum_.calls, true);
  change(sum_.failed, (call & failed_bit) != 0);
  change(sum_.slow, (call & slow_bit) != 0);
}

void call_window::add(bool failed, bool slow, steady_time now) {
  auto call = static_cast<std::uint8_t>((failed ? failed_bit : 0) | (slow ? slow_bit : 0));
  if (bucket_.count() != 0) {
    turn(now);
    auto& b = tallies_[static_cast<std::size_t>(current_ % std::int64_t{buckets})];
    ++b.calls;
    b.failed += failed ? 1 : 0;
    b.slow += slow ? 1 : 0;
    count(call, true);
    return;
  }
  if (ring_.size() < count_) {
    ring_.push_back(call);
  } else {
    count(ring_[next_], false);
    ring_[next_] = call;
    next_ = (next_ + 1) % ring_.size();
  }
  count(call, true);
}

call_tally call_window::tally(steady_time now) {
  if (bucket_.count() != 0)
    turn(now);
  return sum_;
}

/// Empties the buckets that have become too old.
void call_window::turn(steady_time now) noexcept {
  auto number = now.time_since_epoch() / bucket_;
  auto old = std::min<std::int64_t>(number - current_, buckets);
  for (std::int64_t i = 0; i < old; ++i) {
    auto& b = tallies_[static_cast<std::size_t>((number - i) % std::int64_t{buckets})];
    sum_.calls -= b.calls;
    sum_.failed -= b.failed;
    sum_.slow -= b.slow;
    b = {};
  }
  current_ = std::max(current_, number);
}

void call_window::clear() noexcept {
  ring_.clear();
  next_ = 0;
  tallies_ = {};
  sum_ = {};
}

std::string call_window::text() const {
  std::string out;
  for (std::size_t i = 0; i < ring_.size(); ++i)
    out += letters[ring_[(next_ + i) % ring_.size()]];
  return out;
}

void call_window::restore(std::string_view text) {
  clear();
  if (bucket_.count() != 0)
    return;
  for (char c : text)
    if (auto bits = letters.find(c); bits != letters.npos)
      add((bits & failed_bit) != 0, (bits & slow_bit) != 0, {});
}

} // namespace troupe
