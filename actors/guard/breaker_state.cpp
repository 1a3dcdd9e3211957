#include "actors/guard/breaker_state.hpp"

#include "runtime/core/planted.hpp"

#include <algorithm>
#include <array>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Doublings after which any open time is above any cap.
constexpr std::uint32_t doublings_max = 20;

/// What one is told who comes while the probes are under way: they take about that long.
constexpr milliseconds probe_patience{1'000};

constexpr std::array<std::string_view, 5> mode_names{"closed", "open", "half_open", "disabled",
                                                     "forced_open"};

/// Up to `part` longer, at random.
milliseconds jittered(milliseconds d, double part, random_source& random) {
  constexpr double range = 1 << 20;
  auto chance = static_cast<double>(random.next() % (std::uint64_t{1} << 20)) / range;
  return d + milliseconds{static_cast<milliseconds::rep>(double(d.count()) * part * chance)};
}

} // namespace

std::string_view to_string(breaker_mode mode) noexcept {
  return mode_names[static_cast<std::size_t>(mode)];
}

breaker_mode breaker_mode_from(std::string_view name) noexcept {
  auto i = std::ranges::find(mode_names, name);
  return i == mode_names.end() ? breaker_mode::closed
                               : static_cast<breaker_mode>(i - mode_names.begin());
}

call_verdict verdict_of(const error& why, bool slow) noexcept {
  switch (why.code) {
  case errc::timed_out:
  case errc::unavailable:
  case errc::schema_mismatch: // a success that nobody can read: a proxy's page, an error inside
  case errc::outcome_unknown:
  case errc::store_failed:
  case errc::internal:
    return call_verdict::failure;
  case errc::deadline_exceeded:
    return slow ? call_verdict::failure : call_verdict::ignored;
  case errc::cancelled:
  case errc::overloaded:
  case errc::circuit_open:
  case errc::rate_limited:
  case errc::shutting_down:
  case errc::fenced:
    return call_verdict::ignored;
  default:
    return call_verdict::success;
  }
}

breaker_state::breaker_state(const breaker_options& options, milliseconds slow_call)
  : options_(options), slow_call_(options.slow_call.count() > 0 ? options.slow_call : slow_call),
    mode_(options.enabled ? breaker_mode::closed : breaker_mode::disabled),
    window_(options.window, options.window_time) {}

result<breaker_permit> breaker_state::acquire(steady_time now, steady_time lease_until) {
  look(now);
  if (mode_ == breaker_mode::closed || mode_ == breaker_mode::disabled)
    return breaker_permit{generation_, 0};
  if (auto no = refusal(now))
    return std::move(*no);
  leases_.push_back({++last_lease_, lease_until});
  return breaker_permit{generation_, last_lease_};
}

std::optional<error> breaker_state::refusal(steady_time now) {
  look(now);
  if (mode_ == breaker_mode::closed || mode_ == breaker_mode::disabled)
    return std::nullopt;
  if (mode_ == breaker_mode::half_open) {
    drop_leases(now);
    if (leases_.size() + probes_.calls < options_.half_open_calls)
      return std::nullopt;
  }
  return refuse(now);
}

error breaker_state::refuse(steady_time now) const {
  if (mode_ == breaker_mode::forced_open)
    return error{errc::circuit_open, "the breaker was opened by hand"};
  if (mode_ == breaker_mode::half_open) {
    error why{errc::circuit_open, "the breaker waits for how its probes end"};
    why.retry_after = probe_patience;
    return why;
  }
  error why{errc::circuit_open, "the breaker is open: too many of the last calls failed"};
  why.retry_after = std::max(milliseconds{1}, std::chrono::ceil<milliseconds>(open_until_ - now));
  return why;
}

void breaker_state::report(const breaker_permit& p, call_verdict verdict,
                           std::chrono::nanoseconds took, std::optional<milliseconds> retry_after,
                           steady_time now, random_source& random) {
  look(now);
  auto late = p.generation != generation_ && !planted(planted_bug::late_result_counted);
  if (late || mode_ == breaker_mode::disabled)
    return;
  auto failed = verdict == call_verdict::failure;
  auto slow = is_slow(took);
  if (mode_ == breaker_mode::closed && verdict != call_verdict::ignored) {
    window_.add(failed, slow, now);
    auto t = window_.tally(now);
    if (t.calls >= options_.calls_min && too_bad(t, t.calls))
      trip(retry_after, now, random);
  } else if (mode_ == breaker_mode::half_open) {
    drop_leases(now);
    auto probe = std::erase_if(leases_, [&](const lease& l) { return l.id == p.lease; }) > 0
                 || planted(planted_bug::late_result_counted);
    if (!probe || verdict == call_verdict::ignored)
      return;
    ++probes_.calls;
    probes_.failed += failed ? 1 : 0;
    probes_.slow += slow ? 1 : 0;
    judge_probes(retry_after, now, random);
  }
}

bool breaker_state::too_bad(const call_tally& t, std::uint32_t of) const noexcept {
  auto n = static_cast<double>(of);
  return (t.failed > 0 && t.failed / n >= options_.failure_rate)
         || (t.slow > 0 && t.slow / n >= options_.slow_rate);
}

/// As soon as the probes that are missing cannot change it.
void breaker_state::judge_probes(std::optional<milliseconds> asked, steady_time now,
                                 random_source& random) {
  auto worst = probes_;
  auto missing = options_.half_open_calls - probes_.calls;
  worst.failed += missing;
  worst.slow += missing;
  if (too_bad(probes_, options_.half_open_calls)) {
    trip(asked, now, random);
  } else if (!too_bad(worst, options_.half_open_calls)) {
    trips_ = 0;
    become(breaker_mode::closed);
  }
}

void breaker_state::trip(std::optional<milliseconds> asked, steady_time now,
                         random_source& random) {
  auto open_for = options_.open_for * (std::int64_t{1} << std::min(trips_, doublings_max));
  if (asked && asked->count() > 0)
    open_for = *asked;
  ++trips_;
  become(breaker_mode::open);
  open_until_
    = now + jittered(std::min<milliseconds>(open_for, options_.open_for_max), options_.jitter, random);
}

void breaker_state::become(breaker_mode next) {
  mode_ = next;
  ++generation_;
  window_.clear();
  probes_ = {};
  leases_.clear();
  open_until_ = {};
}

void breaker_state::look(steady_time now) {
  if (mode_ == breaker_mode::open && now >= open_until_)
    become(breaker_mode::half_open);
}

void breaker_state::drop_leases(steady_time now) {
  std::erase_if(leases_, [now](const lease& l) { return l.until <= now; });
}

void breaker_state::order(breaker_order what) {
  trips_ = 0;
  become(what == breaker_order::open                ? breaker_mode::forced_open
         : what == breaker_order::close || !options_.enabled ? breaker_mode::disabled
                                                             : breaker_mode::closed);
}

breaker_memory breaker_state::save(steady_time now, utc_time utc) const {
  breaker_memory m;
  m.mode = to_string(mode_);
  m.window = window_.text();
  m.trips = trips_;
  if (mode_ == breaker_mode::open)
    m.open_until = std::chrono::duration_cast<std::chrono::microseconds>(
                     utc.time_since_epoch() + (open_until_ - now))
                     .count();
  return m;
}

void breaker_state::restore(const breaker_memory& m, steady_time now, utc_time utc) {
  become(breaker_mode_from(m.mode));
  trips_ = m.trips;
  window_.restore(m.window);
  if (mode_ != breaker_mode::open)
    return;
  auto left = utc_time{std::chrono::microseconds{m.open_until}} - utc;
  // UTC may have been set meanwhile: never longer than it would open anew.
  open_until_ = now + std::clamp<std::chrono::nanoseconds>(left, std::chrono::nanoseconds{0},
                                                           options_.open_for_max);
}

} // namespace troupe
