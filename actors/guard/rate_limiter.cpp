#include "actors/guard/rate_limiter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Of a new value in the smoothed time in flight: some ten requests make a habit.
constexpr double newness = 0.1;

milliseconds in_ms(double seconds) {
  constexpr double most = 24 * 3600.0;
  return milliseconds{static_cast<std::int64_t>(std::clamp(seconds, 0.0, most) * 1'000)};
}

milliseconds until(steady_time then, steady_time now) {
  return std::max(std::chrono::ceil<milliseconds>(then - now), milliseconds{0});
}

std::string seconds_text(milliseconds d) {
  return fmt::format("{:.1f} s", static_cast<double>(d.count()) / 1'000);
}

rate_limit_options with_places(rate_limit_options o, std::uint32_t in_flight_max) {
  auto usual = in_flight_max == 0 ? rate_limiter::in_flight_usual : in_flight_max;
  if (o.concurrent == 0)
    o.concurrent = usual;
  return o;
}

error with_wait(errc code, std::string text, milliseconds wait) {
  error out{code, std::move(text)};
  out.retry_after = wait;
  return out;
}

} // namespace

rate_limiter::rate_limiter(const rate_limit_options& options, std::size_t keys,
                           std::uint32_t in_flight_max)
  : options_(with_places(options, in_flight_max)),
    in_flight_max_(in_flight_max == 0 ? std::numeric_limits<std::size_t>::max() : in_flight_max),
    keys_(std::max<std::size_t>(keys, 1), api_key{options_}), queue_(options.ageing) {}

void rate_limiter::look(steady_time now) {
  for (auto& k : keys_)
    k.look(now);
}

// The part of a minute of one key that it takes of whatever is scarcest.
double rate_limiter::cost_of(const token_use& u) const {
  double cost = 0;
  if (options_.requests_per_minute > 0)
    cost = std::max(cost, 1.0 / options_.requests_per_minute);
  if (options_.input_tokens_per_minute > 0)
    cost = std::max(cost, u.input / static_cast<double>(options_.input_tokens_per_minute));
  if (options_.output_tokens_per_minute > 0)
    cost = std::max(cost, u.output / static_cast<double>(options_.output_tokens_per_minute));
  return cost;
}

// Without limits of rate, all calls cost the same.
queue_place rate_limiter::place_of(const rate_claim& c, steady_time now) const {
  auto cost = cost_of(c.estimate);
  return {c.tenant, c.agent, c.priority, cost > 0 ? cost : 1.0, c.weight, c.tenant_weight, now};
}

error rate_limiter::full_error(milliseconds wait) const {
  return with_wait(errc::overloaded, fmt::format("{} calls wait for this model", queue_.size()),
                   std::max(wait, milliseconds{1'000}));
}

result<void> rate_limiter::enqueue(std::uint64_t id, rate_claim claim, steady_time now) {
  look(now);
  if (full())
    return full_error(expected_wait(claim.estimate, now));
  if (auto why = hopeless(claim, now))
    return std::move(*why);
  auto place = place_of(claim, now);
  if (claim.deadline != steady_time::max()) {
    auto wait = wait_behind(queue_.ahead(place), claim.estimate, now);
    if (now + wait > claim.deadline)
      return with_wait(errc::deadline_exceeded,
                       fmt::format("its turn at this model would come in {}, after its deadline",
                                   seconds_text(wait)),
                       wait);
  }
  queue_.push(id, std::move(place));
  cost_waiting_ += cost_of(claim.estimate);
  deadlines_.emplace(claim.deadline, id);
  claims_.emplace(id, std::move(claim));
  return {};
}

std::optional<rate_decision> rate_limiter::make_room(const rate_claim& newcomer, steady_time now) {
  if (hopeless(newcomer, now))
    return std::nullopt; // nobody is turned away for one that goes away
  auto id = queue_.to_shed(place_of(newcomer, now));
  if (!id)
    return std::nullopt;
  rate_decision out{*id, 0, full_error(expected_wait(claims_.at(*id).estimate, now))};
  leave(*id);
  return out;
}

// Why it will never go, whatever the others do.
std::optional<error> rate_limiter::hopeless(const rate_claim& c, steady_time now) const {
  bool alive = false;
  auto rested = steady_time::max();
  auto revived = steady_time::max();
  for (const auto& k : keys_) {
    if (k.dead()) {
      revived = std::min(revived, k.dead_until());
      continue;
    }
    alive = true;
    rested = std::min(rested, k.rests_until());
  }
  if (!alive)
    return with_wait(refused_ ? refused_->code : errc::unavailable,
                     "no API key of this model is accepted any more"
                       + (refused_ ? ": " + refused_->message : std::string{}),
                     until(revived, now));
  if (rested > now && rested > c.deadline)
    return with_wait(errc::rate_limited,
                     fmt::format("the model's server asks to wait for {}",
                                 seconds_text(until(rested, now))),
                     until(rested, now));
  if (now >= c.deadline)
    return error{errc::deadline_exceeded, "its deadline passed while it waited for its turn"};
  return std::nullopt;
}

std::optional<std::size_t> rate_limiter::choose(const token_use& estimate, steady_time now) const {
  std::optional<std::size_t> best;
  if (granted_.size() >= in_flight_max_)
    return best;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    auto when = keys_[i].when(estimate, now);
    if (when && *when <= now && (!best || keys_[i].load() < keys_[*best].load()))
      best = i;
  }
  return best;
}

std::optional<steady_time> rate_limiter::earliest(const token_use& estimate,
                                                  steady_time now) const {
  std::optional<steady_time> at;
  if (granted_.size() >= in_flight_max_)
    return at;
  for (const auto& k : keys_)
    if (auto when = k.when(estimate, now); when && (!at || *when < *at))
      at = when;
  return at;
}

std::vector<rate_decision> rate_limiter::step(steady_time now) {
  std::vector<rate_decision> out;
  look(now);
  refuse_hopeless(out, now);
  // Whoever is next keeps its turn until a key has all it needs: a large request that small ones
  // overtake would never go.
  while (auto id = queue_.front(now)) {
    auto estimate = claims_.at(*id).estimate;
    auto key = choose(estimate, now);
    if (!key)
      break;
    keys_[*key].take(estimate, now);
    granted_.emplace(*id, grant{*key, estimate, now, keys_[*key].in_flight()});
    queue_.served(*id);
    forget(*id);
    out.push_back({*id, *key, std::nullopt});
  }
  return out;
}

void rate_limiter::refuse_hopeless(std::vector<rate_decision>& out, steady_time now) {
  bool usable = std::any_of(keys_.begin(), keys_.end(), [now](const api_key& k) {
    return !k.dead() && k.rests_until() <= now;
  });
  // By deadline, and only as far as one may have passed, unless the keys themselves are the matter.
  for (const auto& [deadline, id] : deadlines_) {
    if (usable && deadline > now)
      break;
    if (auto why = hopeless(claims_.at(id), now))
      out.push_back({id, 0, std::move(why)});
  }
  for (const auto& d : out)
    leave(d.id);
}

std::optional<steady_time> rate_limiter::next(steady_time now) const {
  auto id = queue_.front(now);
  if (!id)
    return std::nullopt;
  auto at = earliest(claims_.at(*id).estimate, now);
  auto deadline = deadlines_.begin()->first;
  return deadline == steady_time::max() ? at : std::min(at.value_or(deadline), deadline);
}

void rate_limiter::leave(std::uint64_t id) {
  if (!claims_.contains(id))
    return;
  queue_.erase(id);
  forget(id);
}

void rate_limiter::forget(std::uint64_t id) {
  auto i = claims_.find(id);
  cost_waiting_ = std::max(cost_waiting_ - cost_of(i->second.estimate), 0.0);
  deadlines_.erase({i->second.deadline, id});
  claims_.erase(i);
}

void rate_limiter::finish(std::uint64_t id, const rate_end& end, steady_time now) {
  auto i = granted_.find(id);
  if (i == granted_.end())
    return;
  auto& key = keys_[i->second.key];
  if (end.how == rate_outcome::not_sent)
    key.take_back(i->second.estimate);
  else
    key.settle(i->second.estimate, end.used.value_or(i->second.estimate), now);
  key.tighten(end.left, now);
  if (end.first_token)
    key.began(*end.first_token, i->second.in_flight);
  switch (end.how) {
    case rate_outcome::went_well: {
      auto took = std::chrono::duration<double>(now - i->second.since).count();
      usual_seconds_ = usual_seconds_ == 0 ? took
                                           : usual_seconds_ + newness * (took - usual_seconds_);
      key.went_well();
      break;
    }
    case rate_outcome::throttled:
      key.throttled(end.retry_after, now);
      break;
    case rate_outcome::key_dead:
      key.die(now);
      refused_ = end.why;
      break;
    case rate_outcome::not_sent:
    case rate_outcome::failed:
      break;
  }
  granted_.erase(i);
}

milliseconds rate_limiter::expected_wait(const token_use& estimate, steady_time now) const {
  return wait_behind(1, estimate, now);
}

// Behind that part of what waits.
milliseconds rate_limiter::wait_behind(double part, const token_use& estimate,
                                       steady_time now) const {
  double places = 0;
  double alive = 0;
  for (const auto& k : keys_) {
    if (k.dead())
      continue;
    alive += 1;
    places += k.reach(); // a slow start takes seconds
  }
  if (alive == 0)
    return milliseconds{0};
  places = std::min(places, static_cast<double>(in_flight_max_));
  auto by_rate = part * cost_waiting_ * 60 / alive;
  auto before = part * static_cast<double>(queue_.size());
  bool all_busy = static_cast<double>(granted_.size()) + 1 > places;
  auto by_places = all_busy ? (before + 1) * usual_seconds_ / places : 0.0;
  auto wait = in_ms(std::max(by_rate, by_places));
  if (auto at = earliest(estimate, now))
    wait = std::max(wait, until(*at, now));
  return wait;
}

} // namespace troupe
