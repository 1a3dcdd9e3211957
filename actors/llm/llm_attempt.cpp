// An attempt of a call: its turn at the limiter, its permit of the breaker, its request; and the
// events.

#include "actors/llm/llm_endpoint_actor.hpp"
#include "runtime/core/json.hpp"

#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe::detail {
namespace {

using std::chrono::microseconds;

std::uint64_t count_of(std::int64_t tokens) {
  return tokens > 0 ? static_cast<std::uint64_t>(tokens) : 0;
}

spending spending_of(const price_options& p, const token_use& t, double cached) {
  constexpr double million = 1e6;
  auto kept = std::min(cached, t.input);
  auto kept_price = p.cached_input > 0 ? p.cached_input : p.input;
  return {t.input + t.output,
          ((t.input - kept) * p.input + kept * kept_price + t.output * p.output) / million};
}

} // namespace

// A key that is refused says nothing against the call: there may be another one.
async<result<model_answer>> llm_endpoint::attempt(std::uint64_t no) {
  auto& c = *calls_.at(no);
  for (;;) {
    c.ended = rate_outcome::went_well;
    auto answer = co_await attempt_with_key(no);
    bool another = !answer && meter_->usable();
    if (another && c.ended == rate_outcome::key_dead)
      continue;
    if (!another || c.ended != rate_outcome::throttled)
      co_return std::move(answer);
    auto why = std::move(answer).error();
    why.retry_after.reset(); // that is how long the other key rests
    co_return why;
  }
}

async<result<model_answer>> llm_endpoint::attempt_with_key(std::uint64_t no) {
  auto& c = *calls_.at(no);
  if (auto booked = book(c); !booked)
    co_return std::move(booked).error();
  auto turn = co_await take_turn(no);
  if (!turn) {
    settle(c, std::nullopt, false);
    co_return std::move(turn).error();
  }
  auto permit = gate_->acquire(attempt_time(c) + std::chrono::seconds{1});
  if (!permit) {
    leave(c);
    settle(c, std::nullopt, false);
    refuse_queue();
    co_return std::move(permit).error();
  }
  c.permit = *permit;
  start_attempt(c);
  utc_time limit = env_.clock.now() + attempt_time(c);
  auto look = [&] { return c.live.look_at(std::min(limit, end_of(c))); };
  auto why = co_await waits_.wait(c, look());
  while (why == wake::due && look() > env_.clock.now())
    why = co_await waits_.wait(c, look()); // there was a piece meanwhile
  c.late = env_.clock.now() - look() >= stood_still;
  if (why != wake::answered) {
    backend_->cancel(c.at_backend);
    c.answer = interrupted(c, why);
    stats_.first_chunks_late += c.live.late_first() ? 1 : 0;
    stats_.stalls += c.live.stalled() ? 1 : 0;
  }
  end_attempt(c);
  co_return std::move(c.answer);
}

async<result<unit>> llm_endpoint::take_turn(std::uint64_t no) {
  auto& c = *calls_.at(no);
  auto now = env_.clock.now();
  if (c.cancelled || c.until <= now)
    co_return interrupted(c, c.cancelled ? wake::cancelled : wake::due);
  auto turn = meter_->ask(claim_of(c), address());
  if (!turn)
    co_return std::move(turn).error();
  c.turn = turn->id;
  if (turn->key) {
    c.question.key = *turn->key;
    co_return unit{};
  }
  turns_.emplace(c.turn, no);
  c.refused.reset();
  auto why = co_await waits_.wait(c, c.until);
  turns_.erase(c.turn);
  if (why == wake::slot)
    co_return unit{};
  leave(c);
  if (c.refused)
    co_return std::move(*c.refused);
  if (why == wake::refused)
    if (auto refused = gate_->refusal())
      co_return std::move(*refused);
  co_return interrupted(c, why);
}

rate_claim llm_endpoint::claim_of(const call& c) const {
  rate_claim out;
  out.estimate = estimate_tokens(c.question, meter_->usual_output());
  out.agent = c.request.agent;
  out.deadline = env_.clock.steady() + (c.until - env_.clock.now());
  out.tenant = c.tenant;
  if (const auto* caller = caller_of(c)) {
    out.priority = static_cast<int>(caller->priority);
    out.weight = caller->share;
  }
  if (shares_)
    if (auto found = shares_->find(out.tenant); found != shares_->end())
      out.tenant_weight = found->second;
  return out;
}

const llm_caller* llm_endpoint::caller_of(const call& c) const {
  if (!callers_)
    return nullptr;
  auto found = callers_->find(c.request.agent);
  return found == callers_->end() ? nullptr : &found->second;
}

// -- budgets -------------------------------------------------------------------------------------

spending llm_endpoint::expected_of(const call& c) const {
  return spending_of(options_.price, estimate_tokens(c.question, meter_->usual_output()), 0);
}

// Once, when it is taken up again: what the process that died with it may have paid.
void llm_endpoint::book_lost(call& c) {
  auto since = std::exchange(c.sent_before, never);
  if (since != never)
    budgets_->lost(spender{c.request.agent, c.tenant, c.tree}, expected_of(c), since);
}

result<unit> llm_endpoint::book(call& c) {
  if (!budgets_ || budgets_->empty())
    return unit{};
  book_lost(c);
  auto booked = budgets_->reserve(spender{c.request.agent, c.tenant, c.tree}, expected_of(c));
  if (!booked) {
    c.own_reason = true;
    return std::move(booked).error();
  }
  c.booked = std::move(*booked);
  return unit{};
}

/// What it took. One that was cut off may have been charged: as much as was heard or expected.
void llm_endpoint::settle(call& c, const std::optional<token_use>& said, bool sent) {
  auto booked = std::exchange(c.booked, {});
  if (booked.accounts.empty())
    return;
  spending used;
  if (sent && said)
    used = spending_of(options_.price, *said,
                       c.answer ? static_cast<double>(count_of(c.answer->cached_tokens)) : 0.0);
  else if (sent && (c.answer || c.answer.error().outcome == certainty::unknown))
    used = booked.amount;
  budgets_->settle(booked, used);
}

void llm_endpoint::on_turn(limiter_decision& d) {
  auto found = turns_.find(d.id);
  if (found == turns_.end())
    return; // given up already
  auto& c = *calls_.at(found->second);
  c.question.key = d.key;
  c.refused = std::move(d.refused);
  if (c.refused && c.refused->code == errc::overloaded) // made room for another one
    ++stats_.overloaded;
  waits_.wake_up(c, c.refused ? wake::refused : wake::slot);
}

/// Its turn is over, and nothing was sent.
void llm_endpoint::leave(call& c) {
  if (c.turn != 0)
    meter_->give_up(std::exchange(c.turn, 0));
}

/// The breaker is open: nobody waits in vain.
void llm_endpoint::refuse_queue() {
  while (!turns_.empty())
    waits_.wake_up(*calls_.at(turns_.begin()->second), wake::refused);
}

void llm_endpoint::start_attempt(call& c) {
  c.in_flight = true;
  ++in_flight_;
  ++c.attempts;
  ++stats_.attempts;
  c.sent = env_.clock.steady();
  c.live.begin(c.question, attempt_time(c));
  c.question.on_limits = [meter = meter_, turn = c.turn](const server_limits& left) {
    meter->heard(turn, left);
  };
  // Not a strong handle: a request on its way must not keep an actor that has ended.
  auto done = [self = address(), no = c.no, attempt = c.attempts](result<model_answer> outcome) {
    if (auto to = caf::actor_cast<caf::actor>(self))
      caf::anon_send(to, attempt_done{no, attempt, std::move(outcome)});
  };
  c.at_backend = backend_->start(c.question, std::move(done));
}

void llm_endpoint::end_attempt(call& c) {
  c.in_flight = false;
  --in_flight_;
  auto took = env_.clock.steady() - c.sent;
  const auto* why = c.answer ? nullptr : &c.answer.error();
  auto heard = c.live.heard(); // of a stream that broke: what was said is paid for
  auto used = used_by(c, heard);
  std::optional<std::chrono::nanoseconds> began;
  if (heard || c.live.late_first())
    began = c.live.measured(took);
  c.ended = meter_->end(std::exchange(c.turn, 0), why, used, began);
  settle(c, used, true);
  if (c.late)
    gate_->give_back(c.permit);
  else
    gate_->report(c.permit, why, c.live.measured(took));
  if (!c.answer && heard) {
    stats_.input_tokens += count_of(heard->input);
    stats_.output_tokens += count_of(heard->output);
  }
  if (c.answer) {
    ++stats_.attempts_ok;
    stats_.input_tokens += count_of(c.answer->input_tokens);
    stats_.output_tokens += count_of(c.answer->output_tokens);
  }
  attempt_event(c);
  c.live.end();
}

std::optional<token_use> llm_endpoint::used_by(call& c, const std::optional<tokens_heard>& heard) {
  if (!c.answer)
    return heard ? std::optional{token_use{static_cast<double>(heard->input),
                                           static_cast<double>(heard->output)}}
                 : std::nullopt;
  if (auto said = mend_usage(*c.answer, c.question))
    usage_event(c, *said);
  return tokens_of(*c.answer, c.question);
}

// -- events -------------------------------------------------------------------------------------

/// A count of the server's that cannot be right.
void llm_endpoint::usage_event(const call& c, const told_usage& said) const {
  event e;
  e.name = "llm.usage_odd";
  e.lvl = level::warning;
  e.invocation = c.request.invocation;
  e.agent = c.request.agent;
  e.service = service_;
  e.fields.emplace_back("input_tokens", to_json(said.input));
  e.fields.emplace_back("output_tokens", to_json(said.output));
  e.fields.emplace_back("cached_tokens", to_json(said.cached));
  env_.events.write(e);
}

void llm_endpoint::attempt_event(const call& c) const {
  event e;
  e.name = "llm.call";
  e.lvl = c.answer ? level::info : level::warning;
  e.invocation = c.request.invocation;
  e.agent = c.request.agent;
  e.service = service_;
  e.attempt = c.attempts;
  e.latency = std::chrono::duration_cast<microseconds>(env_.clock.steady() - c.sent);
  e.result = c.answer ? "ok" : to_string(c.answer.error().code);
  auto model = c.answer && !c.answer->model.empty() ? c.answer->model : options_.model;
  e.fields.emplace_back("model", to_json(model));
  if (c.answer) {
    e.fields.emplace_back("input_tokens", to_json(c.answer->input_tokens));
    e.fields.emplace_back("output_tokens", to_json(c.answer->output_tokens));
    if (c.answer->cached_tokens > 0)
      e.fields.emplace_back("cached_tokens", to_json(c.answer->cached_tokens));
    e.fields.emplace_back("finish_reason", to_json(c.answer->finish_reason));
  }
  c.live.describe(e, c.answer ? nullptr : &c.answer.error());
  env_.events.write(e);
}

void llm_endpoint::done_event(const call& c, const result<std::string>& outcome) const {
  event e;
  e.name = "llm.done";
  e.lvl = outcome ? level::debug : level::warning;
  e.invocation = c.request.invocation;
  e.agent = c.request.agent;
  e.service = service_;
  e.attempt = c.attempts;
  e.latency = std::chrono::duration_cast<microseconds>(env_.clock.steady() - c.began);
  e.result = outcome ? "ok" : to_string(outcome.error().code);
  e.fields.emplace_back("repairs", to_json(c.repairs));
  if (c.cached)
    e.fields.emplace_back("cached", "true");
  if (c.degraded)
    e.fields.emplace_back("degraded", "true");
  env_.events.write(e);
}

} // namespace troupe::detail
