// A call's way through its tool: slot, attempt, pause, and again. See tool_actor.hpp.

#include "actors/tool/tool_actor.hpp"

#include "actors/tool/command_backend.hpp"
#include "runtime/core/json.hpp"

#include <caf/send.hpp>

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
  } catch (const std::exception& e) {
    outcome = error{errc::internal, e.what(), certainty::unknown};
  }
  finish(c, std::move(outcome));
}

async<result<std::string>> tool_actor::all_attempts(call* c) {
  for (;;) {
    auto outcome = co_await one_attempt(c);
    if (outcome) {
      c->tries.succeeded(budget_);
      co_return std::move(outcome);
    }
    auto now = env_.clock.now();
    auto next = c->tries.failed(outcome.error(), now, budget_, env_.random);
    c->stop = next.stop;
    if (c->cancelled || next.stop != retry_stop::no)
      co_return c->tries.closing(std::move(outcome).error());
    auto woken = co_await waits_.wait(*c, now + next.wait);
    if (woken == wake::cancelled)
      co_return c->tries.closing(error{errc::cancelled, "cancelled between two attempts"});
  }
}

async<result<std::string>> tool_actor::one_attempt(call* c) {
  if (c->reconciles && !parts_.reconciler) {
    auto said = co_await ask_tool(c);
    co_return std::move(said);
  }
  auto slot = co_await take_slot(c);
  if (!slot)
    co_return std::move(slot).error();
  auto begun = env_.clock.steady();
  auto until = send_attempt(c);
  auto woken = co_await waits_.wait(*c, until);
  auto id = std::exchange(c->in_flight, 0);
  if (woken != wake::answered) {
    give_up(id);
    c->answer = not_answered(c);
  }
  if (c->answer)
    report(level::debug, "tool.attempt", *c, "ok", begun);
  else
    report(level::warning, "tool.attempt", *c, to_string(c->answer.error().code), begun,
           &c->answer.error());
  co_return std::move(c->answer);
}

async<result<void>> tool_actor::take_slot(call* c) {
  if (slots_.take())
    co_return result<void>{};
  if (!c->reconciles && slots_.full()) {
    error full{errc::overloaded, fmt::format("{} calls run and {} wait", slots_.taken(),
                                             slots_.waiting())};
    full.retry_after = slots_.come_back_after();
    co_return full;
  }
  slots_.push(*c);
  auto woken = co_await waits_.wait(*c, c->deadline);
  if (woken == wake::slot)
    co_return result<void>{};
  slots_.erase(*c);
  if (woken == wake::cancelled)
    co_return error{errc::cancelled, "cancelled before it was sent"};
  co_return error{errc::deadline_exceeded, "the deadline passed while it waited for its turn"};
}

/// The slot of an attempt that ended goes to the next in line.
void tool_actor::free_slot() {
  if (auto* next = slots_.release())
    waits_.wake_up(*next, wake::slot);
}

/// Hands an attempt to the backend; returns how long its answer is waited for.
utc_time tool_actor::send_attempt(call* c) {
  auto* by = c->reconciles ? parts_.reconciler.get() : parts_.backend.get();
  auto now = env_.clock.now();
  auto left = std::chrono::ceil<milliseconds>(c->deadline - now);
  attempt_request r;
  r.id = c->in_flight = ++last_attempt_;
  r.body = c->request.body;
  r.key = c->request.key;
  r.invocation = c->request.invocation;
  r.agent = c->request.agent;
  r.cls = c->request.cls;
  r.attempt = ++c->attempt;
  r.timeout = std::max(milliseconds{1}, std::min(options_.retry.timeout, left));
  r.deadline = c->deadline;
  auto until = now + r.timeout + by->grace();
  attempts_[r.id] = attempt{c, by, env_.clock.steady()};
  // Weak: an answer that comes after the actor's end is nobody's.
  auto done = [self = address(), id = r.id](result<std::string> outcome) {
    if (auto to = caf::actor_cast<caf::actor>(self))
      caf::anon_send(to, attempt_ended{id, std::move(outcome)});
  };
  try {
    by->start(std::move(r), done);
  } catch (const std::exception& e) {
    done(error{errc::internal, e.what(), certainty::unknown});
  }
  return until;
}

/// The call goes on; the slot stays taken until the backend says that the attempt is over.
void tool_actor::give_up(attempt_id id) {
  auto& a = attempts_.at(id);
  a.of = nullptr;
  a.by->cancel(id);
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

/// Reconciles by asking another tool.
async<result<std::string>> tool_actor::ask_tool(call* c) {
  auto name = tool_service_name(options_.reconcile.tool);
  auto service = env_.services.find(name);
  if (options_.reconcile.tool.empty() || !service)
    co_return error{errc::not_found, "nobody there who could reconcile"};
  call_request r;
  r.service = name;
  r.body = reconcile_question(c->request.key, c->request.body);
  r.key = c->request.key;
  r.cls = effect_class::read;
  r.deadline = c->deadline;
  r.invocation = c->request.invocation;
  auto patience = service->info.total_timeout + std::chrono::seconds{1};
  ++c->attempt;
  auto reply = co_await ask<call_reply>(this, service->handle, patience, std::move(r));
  if (!reply)
    co_return std::move(reply).error();
  co_return std::move(reply->outcome);
}

void tool_actor::finish(call* c, result<std::string> outcome) {
  if (!outcome && outcome.error().code == errc::internal && !c->reconciles)
    count_death(*c);
  auto what = outcome ? std::string_view{"ok"} : to_string(outcome.error().code);
  report(outcome ? level::info : level::warning, c->reconciles ? "tool.reconcile" : "tool.call", *c,
         what, c->begun, outcome ? nullptr : &outcome.error());
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
  call_reply r;
  r.outcome = std::move(outcome);
  r.attempts = c.attempt;
  c.promise.deliver(std::move(r));
}

/// An exception costs the call, not the actor; but a call that throws every time is set aside.
void tool_actor::count_death(const call& c) {
  if (c.request.key.empty() || dead_letters_.holds(c.request.key))
    return;
  if (dead_letters_.died(c.request.key))
    report(level::error, "tool.dead_letter", c, to_string(errc::internal), c.begun);
  checkpoint();
}

} // namespace troupe
