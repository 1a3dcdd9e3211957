#include "tests/kit/schedule.hpp"

#include <algorithm>
#include <utility>

namespace troupe::kit {
namespace {

// The order and all other chance come from one seed, and must not be one sequence.
constexpr std::uint64_t order_salt = 0x5eed;

// splitmix64: neighbouring seeds give unrelated lives.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31U);
}

} // namespace

std::string_view to_string(strategy s) noexcept {
  switch (s) {
    case strategy::fifo: return "fifo";
    case strategy::random: return "random";
    case strategy::pct: return "pct";
  }
  return "?";
}

schedule::schedule(schedule_options options)
  : options_(options), order_(options.seed ^ order_salt) {
  if (options_.how != strategy::pct)
    return;
  for (std::uint32_t i = 0; i < options_.change_points; ++i)
    change_at_.push_back(order_() % std::max<std::uint64_t>(1, options_.steps_expected));
  std::sort(change_at_.begin(), change_at_.end());
}

schedule::schedule(schedule_options options, std::vector<choice> choices) : schedule(options) {
  choices_ = std::move(choices);
  repeats_ = true;
}

std::uint64_t schedule::begin_life() {
  priorities_.clear();
  return mix(options_.seed + mix(life_++));
}

std::size_t schedule::pick(std::span<const std::uint64_t> runnable) {
  auto step = steps_++;
  if (repeats_) {
    if (next_ == choices_.size() || choices_[next_].step != step)
      return 0;
    return choices_[next_++].taken % runnable.size();
  }
  std::size_t taken = 0;
  if (options_.how == strategy::random)
    taken = order_() % runnable.size();
  else if (options_.how == strategy::pct)
    taken = pick_by_priority(runnable);
  if (taken != 0)
    choices_.push_back({step, taken});
  return taken;
}

std::size_t schedule::pick_by_priority(std::span<const std::uint64_t> runnable) {
  // Initial priorities lie above all those that change points give.
  constexpr auto initial = std::uint64_t{1} << 63U;
  std::size_t best = 0;
  std::uint64_t highest = 0;
  for (std::size_t i = 0; i < runnable.size(); ++i) {
    auto [at, fresh] = priorities_.try_emplace(runnable[i], 0);
    if (fresh)
      at->second = order_() | initial;
    if (i == 0 || at->second > highest) {
      best = i;
      highest = at->second;
    }
  }
  if (changed_ < change_at_.size() && steps_ > change_at_[changed_]) {
    // The later the change point, the lower.
    priorities_[runnable[best]] = change_at_.size() - changed_++;
    return pick_by_priority(runnable);
  }
  return best;
}

} // namespace troupe::kit
