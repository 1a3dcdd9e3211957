#include "actors/guard/retry.hpp"

#include "runtime/core/planted.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Doublings after which any base is above any cap.
constexpr std::uint32_t doublings_max = 32;

/// Random in [0, top].
milliseconds up_to(milliseconds top, random_source& random) {
  if (top <= milliseconds{0})
    return milliseconds{0};
  auto range = static_cast<std::uint64_t>(top.count()) + 1;
  return milliseconds{static_cast<milliseconds::rep>(random.next() % range)};
}

} // namespace

bool retry_budget::take(std::uint32_t cost) noexcept {
  if (cost > tokens_)
    return false;
  tokens_ -= cost;
  return true;
}

void retry_budget::refund(std::uint32_t tokens) noexcept {
  tokens_ += std::min(tokens, tokens_max_ - tokens_);
}

void retry_budget::restore(std::uint32_t tokens) noexcept {
  tokens_ = std::min(tokens, tokens_max_);
}

std::string_view to_string(retry_stop reason) noexcept {
  constexpr std::array<std::string_view, 8> names{"no",       "permanent",     "unsafe", "attempts",
                                                  "deadline", "too_long_wait", "budget",
                                                  "circuit_open"};
  auto i = static_cast<std::size_t>(reason);
  return i < names.size() ? names[i] : names.front();
}

milliseconds retry_state::backoff(const error& why, random_source& random) const {
  auto base = why.code == errc::rate_limited ? options_->backoff_throttled : options_->backoff_base;
  auto grown = static_cast<double>(base.count())
               * static_cast<double>(std::uint64_t{1} << std::min(attempts_ - 1, doublings_max));
  auto cap = static_cast<double>(options_->backoff_max.count());
  auto jitter = up_to(milliseconds{static_cast<milliseconds::rep>(std::min(grown, cap))}, random);
  return why.retry_after.value_or(milliseconds{0}) + jitter;
}

retry_decision retry_state::failed(const error& why, utc_time now, retry_budget& budget,
                                   random_source& random) {
  ++attempts_;
  auto unknown = why.outcome == certainty::unknown;
  doubtful_ = doubtful_ || unknown;
  if (!may_pass(why.code))
    return {retry_stop::permanent};
  if (unknown && !repeatable(cls_) && !planted(planted_bug::unsafe_retry))
    return {retry_stop::unsafe};
  if (attempts_ >= options_->attempts_max)
    return {retry_stop::attempts};
  if (why.retry_after && *why.retry_after > options_->retry_after_max)
    return {retry_stop::too_long_wait};
  auto wait = backoff(why, random);
  if (deadline_ != never && now + wait >= deadline_)
    return {retry_stop::deadline};
  auto cost = why.code == errc::rate_limited ? options_->budget_cost_throttled
                                             : options_->budget_cost;
  if (!budget.take(cost))
    return {retry_stop::budget};
  last_cost_ = cost;
  return {retry_stop::no, wait};
}

void retry_state::succeeded(retry_budget& budget) noexcept {
  budget.refund(last_cost_ == 0 ? 1 : last_cost_);
}

void retry_state::withdrawn(retry_budget& budget) noexcept {
  budget.refund(std::exchange(last_cost_, 0));
}

error retry_state::closing(error last) const {
  if (doubtful_)
    last.outcome = certainty::unknown;
  return last;
}

} // namespace troupe
