#include "actors/guard/breaker.hpp"

#include "actors/guard/breaker_messages.hpp"
#include "runtime/core/json.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

namespace troupe {

using std::chrono::milliseconds;

breaker::breaker(std::string service, const breaker_options& options, milliseconds slow_call,
                 const environment& env)
  : service_(std::move(service)), env_(env), state_(options, slow_call) {}

template <class F>
auto breaker::with(F what) {
  std::unique_lock lock{mutex_};
  auto now = env_.clock.steady();
  auto before = state_.mode();
  auto seen = state_.tally(now);
  auto out = what(now);
  auto after = state_.mode();
  if (before == after)
    return out;
  auto open_for = after == breaker_mode::open
                    ? std::chrono::ceil<milliseconds>(state_.open_until() - now)
                    : milliseconds{0};
  lock.unlock();
  tell(before, after, seen, open_for);
  return out;
}

result<breaker_permit> breaker::acquire(milliseconds lease) {
  return with([&](steady_time now) {
    used_ = true;
    auto permit = state_.acquire(now, now + lease);
    refused_ += permit ? 0 : 1;
    return permit;
  });
}

std::optional<error> breaker::refusal() {
  return with([&](steady_time now) {
    auto no = state_.refusal(now);
    refused_ += no ? 1 : 0;
    return no;
  });
}

void breaker::report(const breaker_permit& p, const error* why, std::chrono::nanoseconds took) {
  with([&](steady_time now) {
    auto verdict
      = why == nullptr ? call_verdict::success : verdict_of(*why, state_.is_slow(took));
    auto asked = why == nullptr ? std::nullopt : why->retry_after;
    state_.report(p, verdict, took, asked, now, env_.random);
    return 0;
  });
}

void breaker::give_back(const breaker_permit& p) {
  with([&](steady_time now) {
    state_.report(p, call_verdict::ignored, {}, {}, now, env_.random);
    return 0;
  });
}

void breaker::order(breaker_order what) {
  with([&](steady_time) {
    used_ = true;
    state_.order(what);
    return 0;
  });
}

void breaker::look() {
  with([&](steady_time now) {
    state_.look(now);
    return 0;
  });
}

breaker_info breaker::info() {
  return with([&](steady_time now) {
    state_.look(now);
    breaker_info out;
    out.name = service_;
    out.state = to_string(state_.mode());
    auto t = state_.tally(now);
    out.calls = t.calls;
    out.failed = t.failed;
    out.slow = t.slow;
    out.refused = refused_;
    out.trips = state_.trips();
    if (state_.mode() == breaker_mode::open)
      out.retry_after_ms = std::chrono::ceil<milliseconds>(state_.open_until() - now).count();
    return out;
  });
}

utc_time breaker::due() {
  std::lock_guard lock{mutex_};
  if (state_.mode() != breaker_mode::open)
    return never;
  auto left = state_.open_until() - env_.clock.steady();
  return env_.clock.now() + std::chrono::ceil<std::chrono::microseconds>(left);
}

std::uint64_t breaker::generation() {
  std::lock_guard lock{mutex_};
  return state_.generation();
}

std::string breaker::save() {
  std::lock_guard lock{mutex_};
  return to_json(state_.save(env_.clock.steady(), env_.clock.now()));
}

void breaker::restore(const std::string& checkpoint) {
  auto memory = from_json<breaker_memory>(checkpoint);
  std::lock_guard lock{mutex_};
  if (!memory || used_)
    return;
  used_ = true;
  state_.restore(*memory, env_.clock.steady(), env_.clock.now());
}

void breaker::observe(caf::actor_addr observer) {
  std::lock_guard lock{mutex_};
  observer_ = std::move(observer);
}

void breaker::tell(breaker_mode before, breaker_mode after, const call_tally& seen,
                   milliseconds open_for) {
  event e;
  e.lvl = after == breaker_mode::closed || after == breaker_mode::half_open ? level::info
                                                                            : level::warning;
  e.name = "breaker.changed";
  e.service = service_;
  e.result = to_string(after);
  e.fields.emplace_back("from", to_json(to_string(before)));
  if (after == breaker_mode::open) {
    e.fields.emplace_back("calls", to_json(seen.calls));
    e.fields.emplace_back("open_for_ms", to_json(open_for.count()));
  }
  env_.events.write(e);
  caf::actor_addr observer;
  {
    std::lock_guard lock{mutex_};
    observer = observer_;
  }
  if (auto to = caf::actor_cast<caf::actor>(observer))
    caf::anon_send(to, breaker_changed{});
}

} // namespace troupe
