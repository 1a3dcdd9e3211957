// A call's way through its tool: slot, attempt, pause, and again. See tool_actor.hpp.

#include "actors/tool/tool_actor.hpp"

#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// What a reconciler answers.
struct reconcile_answer {
  std::string state;
  std::optional<raw_json> result;
};
BOOST_DESCRIBE_STRUCT(reconcile_answer, (), (state, result))

reconcile_reply to_reconcile_reply(result<std::string> outcome) {
  reconcile_reply out;
  if (!outcome) {
    out.body = to_string(outcome.error());
    return out;
  }
  auto answer = from_json<reconcile_answer>(*outcome);
  if (!answer) {
    out.body = "its answer: " + answer.error().message;
  } else if (answer->state == "done") {
    out.state = reconcile_state::done;
    out.body = answer->result ? std::move(answer->result->text) : "null";
  } else if (answer->state == "not_done") {
    out.state = reconcile_state::not_done;
    out.body = "it did not happen";
  } else {
    out.body = "it cannot tell";
  }
  return out;
}

} // namespace

async<void> tool_actor::serve(call* c) {
  result<std::string> outcome;
  try {
    outcome = co_await all_attempts(c);
    if (!outcome && !c->reconciles)
      outcome = co_await fall_back(c, std::move(outcome).error());
  } catch (const std::exception& e) {
    outcome = error{errc::internal, e.what(), certainty::unknown};
  }
  finish(c, std::move(outcome));
}

async<result<std::string>> tool_actor::all_attempts(call* c) {
  // Nobody queues for a dead tool.
  if (!c->reconciles)
    if (auto refused = guards_.gate->refusal())
      co_return std::move(*refused);
  for (;;) {
    auto outcome = co_await one_attempt(c);
    if (outcome) {
      c->tries.succeeded(budget_);
      co_return std::move(outcome);
    }
    milliseconds pause{0};
    if (!worth_a_retry(*c, outcome.error(), pause))
      co_return c->tries.closing(std::move(outcome).error());
    auto woken = co_await waits_.wait(*c, env_.clock.now() + pause);
    if (woken == wake::cancelled)
      co_return c->tries.closing(error{errc::cancelled, "cancelled between two attempts"});
  }
}

bool tool_actor::worth_a_retry(call& c, const error& why, milliseconds& pause) {
  auto next = c.tries.failed(why, env_.clock.now(), budget_, env_.random);
  c.stop = next.stop;
  pause = next.wait;
  if (c.cancelled || next.stop != retry_stop::no)
    return false;
  if (c.reconciles)
    return true;
  // The failure says more than the breaker's refusal, which it would get after the pause.
  auto refused = guards_.gate->refusal();
  if (!refused || (refused->retry_after && *refused->retry_after <= pause))
    return true;
  c.tries.withdrawn(budget_);
  c.stop = retry_stop::circuit_open;
  return false;
}

async<result<std::string>> tool_actor::one_attempt(call* c) {
  if (c->reconciles && !parts_.reconciler) {
    auto said = co_await ask_reconciler(c);
    co_return std::move(said);
  }
  if (!slots_.take()) {
    auto slot = co_await queue_up(c);
    if (!slot)
      co_return std::move(slot).error();
  }
  auto permit = permit_for(*c);
  if (!permit) {
    refuse_queue();
    free_slot();
    co_return std::move(permit).error();
  }
  c->hedged = false;
  auto sent = env_.clock.now();
  auto until = send_attempt(c, *permit);
  for (;;) {
    if (std::exchange(c->answered, false) && (c->answer || c->cancelled || c->flying.empty()))
      break;
    auto second = hedge_time(*c, sent, *permit);
    auto woken = co_await waits_.wait(*c, std::min(until, second));
    if (woken == wake::answered)
      continue;
    if (woken == wake::due && second < until && env_.clock.now() < until) {
      hedge(c);
      continue;
    }
    c->answer = not_answered(c);
    break;
  }
  give_up(c, c->answer ? error{errc::cancelled, "another attempt was faster"} : c->answer.error());
  co_return std::move(c->answer);
}

async<result<void>> tool_actor::queue_up(call* c) {
  if (!c->reconciles && slots_.full()) {
    error full{errc::overloaded, fmt::format("{} calls run and {} wait", slots_.taken(),
                                             slots_.waiting())};
    full.retry_after = slots_.come_back_after();
    co_return full;
  }
  auto wait = slots_.expected_wait();
  if (!c->reconciles && env_.clock.now() + wait >= c->deadline) {
    error late{errc::deadline_exceeded,
               fmt::format("its turn would come in about {} ms, after its deadline", wait.count())};
    late.retry_after = slots_.come_back_after();
    co_return late;
  }
  slots_.push(*c);
  auto woken = co_await waits_.wait(*c, c->deadline);
  if (woken == wake::slot)
    co_return result<void>{};
  slots_.erase(*c);
  if (woken == wake::cancelled)
    co_return error{errc::cancelled, "cancelled before it was sent"};
  if (woken == wake::refused)
    if (auto refused = guards_.gate->refusal())
      co_return std::move(*refused);
  co_return error{errc::deadline_exceeded, "the deadline passed while it waited for its turn"};
}

/// The slot of an attempt that ended goes to the next in line.
void tool_actor::free_slot() {
  if (auto* next = slots_.release()) {
    auto outer = std::exchange(nested_, true);
    waits_.wake_up(*next, wake::slot);
    nested_ = outer;
  }
}

/// The breaker is open: nobody waits in vain. One after the other, not each within the end of the
/// one before.
void tool_actor::refuse_queue() {
  while (auto* next = slots_.pop())
    waits_.wake_up(*next, wake::refused);
}

void tool_actor::finish(call* c, result<std::string> outcome) {
  const auto* why = c->failure ? &*c->failure : outcome ? nullptr : &outcome.error();
  if (why != nullptr && why->code == errc::internal && !c->reconciles)
    count_death(*c, why->message);
  env_.events.write(event_of(why == nullptr ? level::info : level::warning,
                             c->reconciles ? "tool.reconcile" : "tool.call", *c,
                             why == nullptr ? std::string_view{"ok"} : to_string(why->code),
                             c->begun, why));
  if (outcome && !c->failure && !c->reconciles)
    remember(*c, *outcome);
  reply(*c, std::move(outcome));
  waits_.forget(*c);
  if (c->request.id != 0)
    by_caller_.erase(c->request.id);
  calls_.erase(c->no);
}

void tool_actor::reply(call& c, result<std::string> outcome) {
  if (c.reconciles) {
    c.promise.deliver(to_reconcile_reply(std::move(outcome)));
    return;
  }
  if (outcome && !c.failure && c.wishes && c.wishes->told)
    outcome = told_answer(*outcome, "service", milliseconds{0});
  call_reply r;
  r.outcome = std::move(outcome);
  r.attempts = c.attempt;
  r.degraded = c.failure.has_value();
  c.promise.deliver(std::move(r));
}

/// An exception costs the call, not the actor; but a call that throws every time is set aside.
void tool_actor::count_death(const call& c, const std::string& what) {
  if (c.request.key.empty() || dead_letters_.holds(c.request.key))
    return;
  if (dead_letters_.died(c.request.key)) {
    env_.events.write(
      event_of(level::error, "tool.dead_letter", c, to_string(errc::internal), c.begun));
    file(store::letter_kind::poisoned, c.request, what, dead_letters::deaths_max);
  }
  checkpoint();
}

} // namespace troupe
