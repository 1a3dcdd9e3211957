#include "actors/guard/api_key.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Doublings after which any rest is above its maximum.
constexpr std::uint32_t doublings_max = 20;

/// A late answer is a warning, not a refusal: a fifth less in place of half.
constexpr double less_when_late = 0.8;
/// Up to this part of what may be in flight, it is not what makes answers late.
constexpr double light = 0.25;
/// Answers that tell whether less in flight has helped, as many as are smoothed.
constexpr std::uint32_t round_min = 10;

// In any 60 s, and as much longer as `jitter` says, at most `limit` go: the burst at once, the rest
// evenly. One at a time and evenly there are never too many, so what is taken off is what may go
// with it, and the jitter.
gcra bucket(double limit, const rate_limit_options& o) {
  if (limit <= 0)
    return {};
  auto part = [limit](milliseconds d) { return limit * static_cast<double>(d.count()) / 60'000.0; };
  auto at_once = std::max(1.0, part(o.burst));
  auto kept_back = at_once - 1 + part(o.jitter);
  return gcra{std::max(limit - kept_back, limit / 2), at_once};
}

// A request that is larger than the burst goes when the bucket is full, and its debt is waited off.
std::optional<steady_time> room(const gcra& b, double n, steady_time now) {
  return b.when(b.limits() ? std::min(n, b.burst()) : n, now);
}

} // namespace

api_key::api_key(const rate_limit_options& o)
  : cooling_(o.cooling), cooling_max_(o.cooling_max),
    set_aside_(o.set_aside), window_max_(std::max(1U, o.concurrent)),
    adaptive_(o.adaptive), requests_(bucket(o.requests_per_minute, o)),
    input_(bucket(static_cast<double>(o.input_tokens_per_minute), o)),
    output_(bucket(static_cast<double>(o.output_tokens_per_minute), o)),
    window_(adaptive_ ? std::min(window_max_, 4.0) : window_max_), slow_until_(window_max_),
    first_(adaptive_ ? o.slow_first_token : 0) {}

bool api_key::full() const noexcept {
  return in_flight_ + 1 > window_;
}

std::optional<steady_time> api_key::when(const token_use& estimate, steady_time now) const {
  if (dead_ || full())
    return std::nullopt;
  auto at = std::max(now, rests_until_);
  for (auto when : {room(requests_, 1, now), room(input_, estimate.input, now),
                    room(output_, estimate.output, now)})
    at = std::max(at, when.value_or(now)); // `room` never asks for more than a burst
  return at;
}

void api_key::take(const token_use& estimate, steady_time now) {
  ++in_flight_;
  requests_.take(1, now);
  input_.take(estimate.input, now);
  output_.take(estimate.output, now);
}

void api_key::settle(const token_use& estimate, const token_use& used, steady_time now) {
  if (in_flight_ > 0)
    --in_flight_;
  auto correct = [now](gcra& b, double difference) {
    if (difference > 0)
      b.take(difference, now);
    else
      b.give_back(-difference);
  };
  correct(input_, used.input - estimate.input);
  correct(output_, used.output - estimate.output);
}

void api_key::take_back(const token_use& estimate) {
  if (in_flight_ > 0)
    --in_flight_;
  requests_.give_back(1);
  input_.give_back(estimate.input);
  output_.give_back(estimate.output);
}

void api_key::die(steady_time now) noexcept {
  dead_ = true;
  dead_until_ = now + set_aside_;
}

// Somebody may have paid, or put it right at the far side.
void api_key::look(steady_time now) noexcept {
  if (!dead_ || now < dead_until_)
    return;
  dead_ = false;
  window_ = 1;
}

// Once for each round: those in flight were sent when there were more.
void api_key::began(std::chrono::duration<double> after, std::uint32_t in_flight) {
  first_.heard(after.count(), in_flight <= std::max(1.0, window_ * light));
  if (to_hear_ > 0)
    --to_hear_;
  if (!first_.slow() || to_hear_ > 0)
    return;
  to_hear_ = std::max(in_flight_, round_min);
  window_ = std::max(1.0, std::floor(window_ * less_when_late));
  slow_until_ = std::min(slow_until_, window_);
}

void api_key::went_well() {
  throttles_ = 0;
  // What is not used is not known to be good.
  if (adaptive_ && (first_.slow() || in_flight_ + 1 < window_ / 2))
    return;
  auto step = window_ < slow_until_ ? 1.0 : 1.0 / window_;
  window_ = std::min(window_max_, window_ + step);
}

void api_key::throttled(std::optional<milliseconds> retry_after, steady_time now) {
  auto grown = cooling_ * (1ULL << std::min(throttles_, doublings_max));
  auto rest = retry_after.value_or(std::min<milliseconds>(grown, cooling_max_));
  // Many requests in flight may be turned away together: that is one storm, not many.
  if (now >= rests_until_) {
    ++throttles_;
    slow_until_ = adaptive_ ? std::max(1.0, std::floor(window_ / 2)) : window_max_;
  }
  window_ = 1;
  rests_until_ = std::max(rests_until_, now + rest);
}

void api_key::tighten(const server_limits& left, steady_time now) {
  if (left.requests)
    requests_.at_most(*left.requests, now);
  if (left.input_tokens)
    input_.at_most(*left.input_tokens, now);
  if (left.output_tokens)
    output_.at_most(*left.output_tokens, now);
  if (left.rest)
    rests_until_ = std::max(rests_until_, now + std::min(*left.rest, cooling_max_));
}

} // namespace troupe
