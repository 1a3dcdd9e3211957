#include "actors/guard/limiter.hpp"

#include "runtime/core/json.hpp"

#include <caf/send.hpp>

namespace troupe {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Of a new answer in the smoothed number of output tokens: some ten answers make a habit.
constexpr double newness = 0.1;

bool refuses_key(int status) {
  return status == 401 || status == 402 || status == 403;
}

std::int64_t ms_until(steady_time then, steady_time now) {
  return std::max(std::chrono::ceil<milliseconds>(then - now), milliseconds{0}).count();
}

} // namespace

/// Tells what becomes of a key in its scope.
class limiter::key_watch {
public:
  key_watch(limiter& on, std::size_t which, steady_time now)
    : on_(on), which_(which), now_(now), lived_(!key().dead()), rested_(rests()) {}
  ~key_watch() {
    if (lived_ && key().dead())
      on_.tell_key("limiter.key_refused", level::error, which_, ms_until(key().dead_until(), now_));
    else if (!rested_ && rests())
      on_.tell_key("limiter.cooling", level::warning, which_, ms_until(key().rests_until(), now_));
  }
  key_watch(const key_watch&) = delete;
  key_watch& operator=(const key_watch&) = delete;

private:
  const api_key& key() const { return on_.logic_.keys()[which_]; }
  bool rests() const { return key().rests_until() > now_; }

  limiter& on_;
  std::size_t which_;
  steady_time now_;
  bool lived_;
  bool rested_;
};

limiter::limiter(std::string service, const rate_limit_options& options, std::size_t keys,
                 std::uint32_t in_flight_max, const environment& env)
  : service_(std::move(service)), env_(env), logic_(options, keys, in_flight_max) {}

result<limiter_turn> limiter::ask(rate_claim claim, caf::actor_addr who) {
  lock guard{mutex_};
  auto now = env_.clock.steady();
  auto nobody_waits = logic_.waiting() == 0;
  waiter w{std::move(who), now, claim.agent};
  limiter_turn out{++last_turn_, {}};
  if (logic_.full())
    if (auto shed = logic_.make_room(claim, now))
      tell(std::move(*shed), now);
  if (auto queued = logic_.enqueue(out.id, std::move(claim), now); !queued)
    return std::move(queued).error();
  if (nobody_waits)
    for (auto& d : logic_.step(now)) { // of this one alone
      if (d.refused)
        return std::move(*d.refused);
      out.key = d.key;
      flying_.emplace(out.id, flight{d.key, {}});
      ++granted_;
      return out;
    }
  tell_wait("limiter.waits", w, "waits", std::nullopt);
  waiting_.emplace(out.id, std::move(w));
  call_observer();
  return out;
}

bool limiter::make_room(const rate_claim& newcomer) {
  lock guard{mutex_};
  auto now = env_.clock.steady();
  auto shed = logic_.make_room(newcomer, now);
  if (shed)
    tell(std::move(*shed), now);
  return shed.has_value();
}

void limiter::give_up(std::uint64_t turn) {
  lock guard{mutex_};
  if (waiting_.erase(turn) > 0) {
    logic_.leave(turn);
    if (logic_.waiting() > 0) // another one may be next, and need less
      call_observer();
    return;
  }
  rate_end how;
  how.how = rate_outcome::not_sent;
  close(turn, how);
}

void limiter::heard(std::uint64_t turn, const server_limits& left) {
  lock guard{mutex_};
  auto found = flying_.find(turn);
  if (found == flying_.end())
    return;
  auto& f = found->second;
  f.left.status = left.status;
  f.left.about_request = left.about_request;
  auto now = env_.clock.steady();
  key_watch watch{*this, f.key, now};
  logic_.keys()[f.key].tighten(left, now); // holds from now on, not from the end of the answer
}

rate_outcome limiter::end(std::uint64_t turn, const error* why, std::optional<token_use> used,
                          std::optional<std::chrono::nanoseconds> first_token) {
  lock guard{mutex_};
  auto found = flying_.find(turn);
  if (found == flying_.end())
    return rate_outcome::not_sent;
  if (why == nullptr && used && used->output > 0)
    usual_output_ += newness * (used->output - usual_output_);
  auto how = end_of(found->second, why, used);
  how.first_token = first_token;
  close(turn, how);
  return how.how;
}

rate_end limiter::end_of(const flight& f, const error* why,
                         std::optional<token_use> used) const {
  rate_end out;
  out.used = used;
  out.left = f.left;
  if (why == nullptr)
    return out;
  out.retry_after = why->retry_after;
  if ((refuses_key(f.left.status) && !f.left.about_request) || why->code == errc::budget_exceeded) {
    out.how = rate_outcome::key_dead;
    out.why = *why;
  } else if (why->code == errc::rate_limited || f.left.status == 429 || f.left.status == 529) {
    out.how = rate_outcome::throttled;
  } else {
    out.how = rate_outcome::failed;
  }
  if (why->outcome == certainty::definite && !used)
    out.used = token_use{}; // refused: no tokens went through
  return out;
}

void limiter::close(std::uint64_t turn, const rate_end& how) {
  auto found = flying_.find(turn);
  if (found == flying_.end())
    return;
  auto now = env_.clock.steady();
  {
    key_watch watch{*this, found->second.key, now};
    flying_.erase(found);
    logic_.finish(turn, how, now);
  }
  if (logic_.waiting() > 0)
    call_observer();
}

bool limiter::usable() {
  lock guard{mutex_};
  auto now = env_.clock.steady();
  for (const auto& k : logic_.keys())
    if (!k.dead() && k.rests_until() <= now)
      return true;
  return false;
}

bool limiter::refused() {
  lock guard{mutex_};
  for (const auto& k : logic_.keys())
    if (!k.dead())
      return false;
  return true;
}

milliseconds limiter::expected_wait() {
  lock guard{mutex_};
  return logic_.expected_wait({0, usual_output_}, env_.clock.steady());
}

double limiter::usual_output() {
  lock guard{mutex_};
  return usual_output_;
}

limiter_info limiter::info() {
  lock guard{mutex_};
  auto now = env_.clock.steady();
  limiter_info out;
  out.name = service_;
  out.waiting = static_cast<std::uint32_t>(logic_.waiting());
  out.in_flight = static_cast<std::uint32_t>(logic_.in_flight());
  out.granted = granted_;
  out.waited = waited_;
  for (const auto& k : logic_.keys())
    out.keys.push_back({k.dead(), k.in_flight(), k.window(),
                        ms_until(k.dead() ? k.dead_until() : k.rests_until(), now)});
  return out;
}

// -- of its actor --------------------------------------------------------------------------------

void limiter::observe(caf::actor_addr observer) {
  lock guard{mutex_};
  observer_ = std::move(observer);
  called_ = false;
}

utc_time limiter::look() {
  lock guard{mutex_};
  called_ = false;
  auto now = env_.clock.steady();
  for (auto& d : logic_.step(now))
    tell(std::move(d), now);
  auto next = logic_.next(now);
  return next ? env_.clock.now() + std::chrono::ceil<microseconds>(*next - now) : never;
}

void limiter::tell(rate_decision d, steady_time now) {
  auto found = waiting_.find(d.id);
  if (found == waiting_.end())
    return;
  auto w = std::move(found->second);
  waiting_.erase(found);
  if (!d.refused) {
    flying_.emplace(d.id, flight{d.key, {}});
    ++granted_;
    ++waited_;
  }
  tell_wait("limiter.waited", w, d.refused ? to_string(d.refused->code) : "ok",
            std::chrono::floor<microseconds>(now - w.since));
  if (auto to = caf::actor_cast<caf::actor>(w.who))
    caf::anon_send(to, limiter_decision{d.id, d.key, std::move(d.refused)});
}

// One message for all that has happened until it is read.
void limiter::call_observer() {
  if (called_)
    return;
  if (auto to = caf::actor_cast<caf::actor>(observer_)) {
    called_ = true;
    caf::anon_send(to, limiter_look{});
  }
}

void limiter::tell_key(std::string_view event_name, level lvl, std::size_t key,
                       std::int64_t rest_ms) const {
  event e;
  e.name = event_name;
  e.lvl = lvl;
  e.service = service_;
  e.fields.emplace_back("key", to_json(key + 1));
  e.fields.emplace_back("rest_ms", to_json(rest_ms));
  env_.events.write(e);
}

void limiter::tell_wait(std::string_view event_name, const waiter& w, std::string_view result,
                        std::optional<microseconds> took) const {
  event e;
  e.name = event_name;
  e.lvl = level::debug;
  e.service = service_;
  e.agent = w.agent;
  e.result = result;
  e.latency = took;
  e.fields.emplace_back("waiting", to_json(logic_.waiting()));
  env_.events.write(e);
}

} // namespace troupe
