// One attempt of a call, or two of which the first answer counts. See tool_actor.hpp.

#include "actors/tool/tool_actor.hpp"
#include "runtime/core/planted.hpp"

#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace troupe {

using std::chrono::milliseconds;

struct tool_actor::starting {
  attempt_id id = 0;
  std::optional<result<std::string>> outcome{};

  /// Of this thread, while it is within a backend's `start`.
  static starting*& now() {
    static thread_local starting* one = nullptr;
    return one;
  }
};

/// The permit is a lease: it ends when the attempt must have ended.
result<breaker_permit> tool_actor::permit_for(const call& c) {
  if (c.reconciles)
    return breaker_permit{};
  auto left = std::chrono::ceil<milliseconds>(c.deadline - env_.clock.now());
  return guards_.gate->acquire(std::min(options_.retry.timeout, left) + tool_cancel_grace
                               + parts_.backend->grace());
}

attempt_request tool_actor::request_of(const call& c) const {
  attempt_request r;
  r.body = c.request.body;
  r.key = c.request.key;
  r.invocation = c.request.invocation;
  r.agent = c.request.agent;
  r.cls = c.request.cls;
  r.attempt = c.attempt;
  auto left = std::chrono::ceil<milliseconds>(c.deadline - env_.clock.now());
  r.timeout = std::max(milliseconds{1}, std::min(options_.retry.timeout, left));
  r.deadline = c.deadline;
  return r;
}

/// Hands an attempt to the backend; returns how long its answer is waited for.
utc_time tool_actor::send_attempt(call* c, breaker_permit permit) {
  auto* by = c->reconciles ? parts_.reconciler.get() : parts_.backend.get();
  ++c->attempt;
  auto r = request_of(*c);
  auto id = r.id = ++last_attempt_;
  auto until = env_.clock.now() + r.timeout + by->grace();
  c->flying.push_back(id);
  attempts_[id] = attempt{c, by, env_.clock.steady(), c->attempt, permit, until};
  // Weak: an answer that comes after the actor's end is nobody's.
  auto done = [self = address(), id](result<std::string> outcome) {
    if (auto* here = starting::now(); here != nullptr && here->id == id)
      here->outcome = std::move(outcome);
    else if (auto to = caf::actor_cast<caf::actor>(self))
      caf::anon_send(to, attempt_ended{id, std::move(outcome)});
  };
  // Not where calls end within each other: so many would end the stack, too.
  starting at_once{nested_ ? 0 : id};
  auto* outer = std::exchange(starting::now(), &at_once);
  try {
    by->start(std::move(r), done);
  } catch (const std::exception& e) {
    done(error{errc::internal, e.what(), certainty::unknown});
  }
  starting::now() = outer;
  if (at_once.outcome) {
    attempt_ended ended{id, std::move(*at_once.outcome)};
    on_attempt_ended(ended);
  }
  return until;
}

void tool_actor::on_attempt_ended(attempt_ended& a) {
  auto i = attempts_.find(a.id);
  if (i == attempts_.end())
    return;
  auto ended = i->second;
  attempts_.erase(i);
  slots_.measured(env_.clock.steady() - ended.begun);
  if (auto* c = ended.of; c != nullptr) {
    std::erase(c->flying, a.id);
    settle(ended, *c, a.outcome);
    // The first success, or the last failure.
    c->answer = std::move(a.outcome);
    c->answered = true;
  }
  if (ended.of != nullptr || !planted(planted_bug::slot_leaked))
    free_slot();
  // Its call may have ended meanwhile, but not before it was woken for this.
  if (ended.of != nullptr)
    waits_.wake_up(*ended.of, wake::answered);
}

/// How an attempt has ended, for the breaker and for those who look on.
void tool_actor::settle(attempt& a, const call& c, const result<std::string>& outcome) {
  auto took = env_.clock.steady() - a.begun;
  const auto* why = outcome ? nullptr : &outcome.error();
  if (!c.reconciles && env_.clock.now() - a.until >= stood_still)
    guards_.gate->give_back(a.permit);
  else if (!c.reconciles)
    guards_.gate->report(a.permit, why, took);
  if (outcome)
    latencies_.add(took);
  auto e = event_of(outcome ? level::debug : level::warning, "tool.attempt", c,
                    outcome ? std::string_view{"ok"} : to_string(why->code), a.begun, why);
  e.attempt = a.number;
  env_.events.write(e);
}

/// The call goes on without what is still in flight; slots stay taken until the backend says that
/// it is over.
void tool_actor::give_up(call* c, const error& why) {
  for (auto id : std::exchange(c->flying, {})) {
    auto& a = attempts_.at(id);
    settle(a, *c, why);
    a.of = nullptr;
    a.by->cancel(id);
  }
}

/// When a second attempt is due; `never` where there is to be none.
utc_time tool_actor::hedge_time(const call& c, utc_time sent, const breaker_permit& first) {
  auto looks = c.request.cls == effect_class::pure || c.request.cls == effect_class::read;
  // A probe is not doubled: the tool has just begun to recover.
  if (!options_.hedge.enabled || !looks || c.reconciles || c.cancelled || first.lease != 0
      || c.flying.size() != 1 || c.hedged)
    return never;
  if (options_.hedge.after.count() > 0)
    return sent + options_.hedge.after;
  auto late = latencies_.p95();
  return late ? utc_time{sent + *late} : never;
}

/// A second attempt, where it takes nothing from others: a free slot, a permit, a retry's tokens.
void tool_actor::hedge(call* c) {
  c->hedged = true;
  if (!budget_.take(options_.retry.budget_cost))
    return;
  if (!slots_.take()) {
    budget_.refund(options_.retry.budget_cost);
    return;
  }
  auto permit = permit_for(*c);
  if (permit)
    send_attempt(c, *permit);
  else
    free_slot();
}

error tool_actor::not_answered(const call* c) const {
  if (c->cancelled)
    return error{errc::cancelled, "cancelled while it ran", certainty::unknown};
  if (env_.clock.now() >= c->deadline)
    return error{errc::deadline_exceeded, "the deadline passed while it ran", certainty::unknown};
  return error{errc::timed_out,
               fmt::format("no answer within {} ms", options_.retry.timeout.count()),
               certainty::unknown};
}

} // namespace troupe
