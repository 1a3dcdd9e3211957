// The effects of an invocation: how each kind is carried out, settled and cancelled.
#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/core/stream_hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace troupe {
namespace {

using journal::effect_kind;

// `{"messages":[...],...}`
std::string request_body(const effect_base& e) {
  if (e.kind() != effect_kind::model)
    return e.body();
  std::string body = R"({"messages":[)";
  for (const auto& item : e.items()) {
    body += item;
    body += ',';
  }
  if (body.back() == ',')
    body.pop_back();
  body += ']';
  body += e.body();
  body += '}';
  return body;
}

// What an endpoint is told beside the question: whether to stream, whose tree and tenant pay, and
// since when an earlier life of the caller may have sent it.
std::string model_options(const invocation_identity& who, bool streams, utc_time sent_before) {
  std::string out = streams ? R"(,"stream":true)" : "";
  if (who.tree != 0 && who.tree != who.no) {
    auto tag = std::string_view{who.id}.substr(0, who.id.rfind('-'));
    out += fmt::format(R"(,"tree":"{}-{}")", tag, who.tree);
  }
  if (who.tenant)
    out += fmt::format(R"(,"tenant":"{}")", *who.tenant); // plain: check_tenant
  if (sent_before != never)
    out += fmt::format(R"(,"sent_before":{})", sent_before.time_since_epoch().count());
  if (out.empty())
    return out;
  out.front() = '{';
  return out + '}';
}

} // namespace

// -- carrying out --------------------------------------------------------------------------------

void invocation::start(effect_base& e) {
  e.phase_ = phase::started;
  switch (e.kind_) {
    case effect_kind::tool:
    case effect_kind::model:
      if (must_claim(e))
        claim(e, true);
      else
        start_call(e);
      break;
    case effect_kind::run:
      start_run(e);
      break;
    case effect_kind::invoke:
    case effect_kind::send:
      start_child(e);
      break;
    case effect_kind::sleep:
      timers_armed_ = true;
      // A passivated invocation is woken by the dispatcher; until then this one keeps the time.
      send(world_.timer, arm_timer{caf::actor_cast<caf::actor>(this), e.id_, e.when_});
      break;
    default: // signal: matched when one comes
      break;
  }
}

void invocation::start_run(effect_base& e) {
  e.sent_ = true;
  auto id = e.id_;
  result<std::string> value;
  try {
    value = e.perform(*this);
  } catch (const std::exception& thrown) {
    last_at_ = e.at();
    die(fmt::format("run \"{}\": {}", e.name_, thrown.what()));
    return;
  } catch (...) {
    last_at_ = e.at();
    die(fmt::format("run \"{}\": an exception that is not a std::exception", e.name_));
    return;
  }
  if (auto* still = find(id))
    make_ready(*still, std::move(value));
}

void invocation::start_call(effect_base& e) {
  auto name = service_of(e);
  auto service = world_.env.services.find(name);
  if (!service) {
    auto why = error{e.undoes() ? errc::unavailable : errc::not_found,
                     fmt::format("no {} in this topology", name)};
    if (!undo_failed(e, why))
      make_ready(e, std::move(why));
    return;
  }
  auto now = world_.env.clock.now();
  call_request r;
  r.id = world_.env.random.next();
  r.service = std::move(name);
  r.body = request_body(e);
  r.key = key_of(e);
  if (planted(planted_bug::key_fresh_per_sending))
    r.key += std::to_string(r.id);
  r.cls = e.cls_;
  // What must not be repeated has its time from when it was journaled, not from when the gate let it
  // out: after a crash only the former is known, and reconcile's `not_done` counts from there.
  auto begin = e.cls_ == effect_class::at_most_once ? e.when_ : now;
  r.deadline = utc_time{begin + service->info.total_timeout};
  if (!e.undoes()) // what was begun is undone also after the deadline
    r.deadline = std::min(who_.deadline, r.deadline);
  r.invocation = who_.id;
  r.agent = who_.agent;
  if (e.kind_ == effect_kind::tool && !e.items_.empty())
    r.options = e.items_.front();
  if (e.kind_ == effect_kind::model)
    r.options = model_options(who_, e.streams_, e.repeated_ ? e.when_ : never);
  e.call_ = r.id;
  e.sent_ = true;
  e.left_ = world_.env.clock.steady();
  // The service keeps the deadline; this is for one that has gone without a word.
  auto patience = service->info.total_timeout + std::chrono::seconds{5};
  auto id = e.id_;
  ++flying_;
  request(service->handle, patience, std::move(r))
    .then([this, id](call_reply& reply) { on_reply(id, reply); },
          [this, id](const caf::error& why) {
            call_reply reply;
            // A service answers all that it has begun before it goes: one that is down has not
            // begun this call.
            reply.outcome = error{errc::unavailable, "its actor is down"};
            if (why == caf::sec::request_timeout)
              reply.outcome = error{errc::timed_out, "no answer from its actor",
                                    certainty::unknown};
            on_reply(id, reply);
          });
}

void invocation::start_child(effect_base& e) {
  child_requested c;
  c.parent = who_.no;
  c.at = e.at();
  c.run = e.run_;
  c.generation = generation_;
  c.agent = e.name_;
  c.input = e.body_;
  c.key = key_of(e);
  c.deadline = e.undoes() ? never : who_.deadline;
  c.waits = e.kind_ == effect_kind::invoke;
  c.fresh = !e.repeated_;
  e.sent_ = true;
  send(world_.dispatcher, std::move(c));
}

// After a restart: the command is in the journal, the completion is not.
void invocation::start_again(effect_base& e) {
  if (must_claim(e))
    claim(e, false);
  else
    go_on(e);
}

// What may have been sent before, by this one or by whoever had its business key, is sent again,
// or asked about, by its class.
void invocation::go_on(effect_base& e) {
  auto now = world_.env.clock.now();
  if (e.kind_ == effect_kind::run && e.cls_ == effect_class::at_most_once) {
    park(e, "the process ended while it ran, and a run step cannot be reconciled");
    return;
  }
  if (!is_call(e.kind_)) {
    start(e);
    return;
  }
  auto cls = e.cls_;
  if (cls == effect_class::idempotent)
    if (auto service = world_.env.services.find(service_of(e));
        service && now - e.when_ > service->info.key_ttl)
      cls = effect_class::at_most_once;
  if (!repeatable(cls) && !planted(planted_bug::repeated_blindly)) {
    settle(e, "the process ended while the call was in flight");
  } else if (e.claimed_) {
    e.phase_ = phase::started;
    start_call(e);
  } else {
    start(e);
  }
}

void invocation::on_reply(std::uint64_t id, call_reply& r) {
  --flying_;
  auto* e = find(id);
  if (over_)
    return;
  if (planted(planted_bug::late_answer_delivered) && e == nullptr && !pending_.empty())
    e = pending_.begin()->second;
  if (e == nullptr || e->phase_ == phase::ready) {
    // A loser's answer: known to people, not to the coroutine.
    record_note("late_result", r.outcome ? *r.outcome : to_json(to_string(r.outcome.error())));
    advance();
    return;
  }
  e->call_ = 0;
  for (auto& words : r.said)
    record_note("model_said", std::move(words));
  // What an earlier life has sent may have happened, however definite this refusal is.
  if (!r.outcome && e->repeated_ && e->cls_ == effect_class::idempotent)
    r.outcome = std::move(r.outcome).error().may_have_happened();
  bool doubtful = !r.outcome && r.outcome.error().outcome == certainty::unknown;
  if (doubtful && e->cls_ == effect_class::at_most_once)
    settle(*e, to_string(r.outcome.error()));
  else if (r.degraded && r.outcome)
    take_fallback(*e, std::move(r.outcome));
  else if (!undo_failed(*e, r.outcome))
    make_ready(*e, std::move(r.outcome));
  advance();
}

// -- unknown outcomes ----------------------------------------------------------------------------

void invocation::settle(effect_base& e, std::string_view why) {
  auto service = world_.env.services.find(service_of(e));
  if (!service || !service->info.reconciles) {
    park(e, fmt::format("{}; the tool declares no reconcile", why));
    return;
  }
  e.phase_ = phase::settling;
  auto id = e.id_;
  request(service->handle, service->info.total_timeout + std::chrono::seconds{5},
          question_about(e))
    .then([this, id](const reconcile_reply& reply) { on_reconciled(id, reply); },
          [this, id](const caf::error&) { on_no_answer(id); });
}

// The service's actor has died, with the call or with this question: its supervisor starts another
// one, which is asked again. Nobody is woken at night for what a second attempt would have told.
void invocation::on_no_answer(std::uint64_t id) {
  auto* e = find(id);
  if (over_ || e == nullptr || e->phase_ != phase::settling)
    return;
  if (e->rounds_ >= world_.options.reissues_max) {
    on_reconciled(id, {reconcile_state::unknown, "reconcile did not answer"});
    return;
  }
  timers_armed_ = true;
  auto pause = std::chrono::seconds{1U << (2U * e->rounds_++)};
  send(world_.timer,
       arm_timer{caf::actor_cast<caf::actor>(this), id, world_.env.clock.now() + pause});
}

reconcile_request invocation::question_about(const effect_base& e) const {
  reconcile_request r;
  r.service = service_of(e);
  r.key = key_of(e);
  r.body = request_body(e);
  r.first_sent = e.when_;
  r.invocation = who_.id;
  return r;
}

void invocation::on_reconciled(std::uint64_t id, const reconcile_reply& r) {
  auto* e = find(id);
  if (over_ || e == nullptr || e->phase_ != phase::settling)
    return;
  event_line(level::warning, "effect.reconciled", e,
             r.state == reconcile_state::done       ? "done"
             : r.state == reconcile_state::not_done ? "not_done"
                                                    : "unknown");
  if (r.state == reconcile_state::done) {
    make_ready(*e, r.body);
  } else if (r.state == reconcile_state::unknown) {
    park(*e, fmt::format("its outcome is unknown, and reconcile says: {}", r.body));
  } else {
    // "Not done" may only mean "not yet": it counts once nothing can be in flight any more.
    if (auto left = time_to_land(*e); left.count() > 0) {
      timers_armed_ = true;
      send(world_.timer, arm_timer{caf::actor_cast<caf::actor>(this), e->id_,
                                   world_.env.clock.now() + left});
    } else if (e->rounds_++ < world_.options.reissues_max) {
      reissue(*e);
    } else {
      make_ready(*e, error{errc::unavailable, "it did not happen, in several attempts"});
    }
  }
  advance();
}

// How long it may still be in flight. A wall clock that is set forward, or a machine that slept, must
// not shorten that: what this life has sent is measured by the steady clock. Of an earlier life only
// UTC is known.
std::chrono::microseconds invocation::time_to_land(const effect_base& e) const {
  auto service = world_.env.services.find(service_of(e));
  auto flight = service ? service->info.total_timeout : std::chrono::milliseconds{30'000};
  if (planted(planted_bug::not_done_trusted_early))
    return {};
  if (e.left_ == steady_time{})
    return e.when_ + flight - world_.env.clock.now();
  return std::chrono::ceil<std::chrono::microseconds>(e.left_ + flight
                                                      - world_.env.clock.steady());
}

void invocation::park(effect_base& e, std::string why) {
  e.phase_ = phase::parked;
  if (e.undoes())
    why += e.saga_->account;
  if (e.claimed_) { // who waits for this key waits for the decision
    close_claim(e, store::settling::parked);
    e.claimed_ = true;
  }
  out_.add(journal::entry{journal::parked{e.at(), why, world_.env.clock.now()}});
  event_line(level::warning, "invocation.parked", &e, "outcome_unknown",
             {{"why", to_json(why)}});
  mark_suspended();
}

void invocation::apply_resolution(effect_base& e, const journal::resolved& r) {
  stale_status_ = true;
  suspended_ = false;
  switch (r.decision) {
    case journal::verdict::done:
      make_ready(e, r.value.text);
      break;
    case journal::verdict::not_done:
      reissue(e);
      break;
    case journal::verdict::abort:
      finish(store::status::failed,
             error{errc::outcome_unknown,
                   fmt::format("aborted: nobody knows whether {} happened", to_string(e.at()))});
      break;
  }
}

// -- signals, cancellation -----------------------------------------------------------------------

void invocation::match_signals() {
  if (signals_.empty())
    return;
  for (auto& [id, e] : pending_) {
    if (e->kind_ != effect_kind::signal || e->phase_ == phase::ready)
      continue;
    auto s = std::find_if(signals_.begin(), signals_.end(),
                          [&name = e->name_](const auto& w) { return w.name == name; });
    if (s == signals_.end())
      continue;
    make_ready(*e, std::move(s->value), s->id);
    signals_.erase(s);
  }
}

void invocation::deliver_cancel() {
  cancelled_ = true;
  out_.add(journal::entry{journal::cancel_delivered{}});
  count_entry();
  arm_grace();
  // In the order of addresses, so that it does not depend on which was issued when.
  std::map<journal::address, effect_base*> all;
  for (auto& [_, e] : pending_)
    all.emplace(e->at(), e);
  for (auto& [_, e] : all) {
    if (e->phase_ == phase::ready || e->undoes())
      continue;
    bool maybe = in_doubt(*e);
    cancel_in_flight(*e);
    auto why = error{cancel_reason_ == journal::cancel_reason::deadline ? errc::deadline_exceeded
                                                                       : errc::cancelled,
                     std::string{to_string(cancel_reason_)},
                     maybe ? certainty::unknown : certainty::definite};
    make_ready(*e, std::move(why));
  }
}

// Whether it may have happened although nobody will take its answer.
bool invocation::in_doubt(const effect_base& e) const {
  bool flying = e.phase_ == phase::started || e.phase_ == phase::settling
                || e.phase_ == phase::parked
                || ((e.phase_ == phase::gated || e.phase_ == phase::claiming) && e.repeated_);
  return is_call(e.kind_) && e.sent_ && flying && e.cls_ >= effect_class::idempotent;
}

void invocation::cancel_in_flight(effect_base& e) noexcept {
  if (e.kind_ == effect_kind::invoke && e.phase_ == phase::started
      && !planted(planted_bug::cancel_misses_child))
    orphans_.push_back({e.name_, key_of(e)});
  auto service = is_call(e.kind_) ? world_.env.services.find(service_of(e)) : std::nullopt;
  if (auto call = std::exchange(e.call_, 0); call != 0 && service)
    send(service->handle, call_cancel{call});
  if (!in_doubt(e))
    return;
  record_note("may_have_happened", to_json(key_of(e)));
  if (e.cls_ == effect_class::at_most_once && service && service->info.reconciles)
    unsettled_.push_back({who_.no, question_about(e), e.when_ + service->info.total_timeout,
                          e.business_, world_.env.clock.now() + service->info.key_ttl});
}

void invocation::abandon(effect_base& e) noexcept {
  e.pending_ = false;
  pending_.erase(e.id_);
  if (e.saga_ && !e.saga_->undoes)
    e.saga_->step->run = e.run_;
  if (tearing_down_)
    return; // it is begun again
  if (!live_) { // the journal knows already, but perhaps the child does not
    if (e.kind_ == effect_kind::invoke)
      orphans_.push_back({e.name_, key_of(e)});
    return;
  }
  cancel_in_flight(e);
  end_stream(e, error{errc::cancelled, "nobody waits for it any more"});
  if (e.claimed_)
    abandon_claim(e);
  if (e.kind_ == effect_kind::sleep && e.phase_ == phase::started)
    send(world_.timer, arm_timer{caf::actor_cast<caf::actor>(this), e.id_, never});
  // A signal that was about to be taken waits for the next one who asks for it.
  for (auto& item : ready_)
    if (item.id == e.id_ && item.signal != 0 && item.value
        && !planted(planted_bug::signal_lost_in_race)) {
      auto next = std::find_if(signals_.begin(), signals_.end(),
                               [&](const auto& w) { return w.id > item.signal; });
      signals_.insert(next, {item.signal, e.name_, std::move(*item.value)});
    }
}

void invocation::make_ready(effect_base& e, result<std::string> value, std::uint64_t signal) {
  e.phase_ = phase::ready;
  ready_.push_back({e.id_, std::move(value), signal});
  if (planted(planted_bug::recorded_on_arrival))
    record_completion(e, ready_.back());
}

void invocation::deliver(effect_base& e, result<std::string> value, bool shared) {
  idle_since_ = {};
  e.pending_ = false;
  pending_.erase(e.id_);
  end_stream(e, value);
  e.outcome_ = std::move(value);
  e.note_outcome(shared);
  auto* b = e.on_;
  b->next = b->leaf->self;
  detail::run_branch(b);
}

// Live as in a replay: who follows has, or gets, the whole text.
void invocation::end_stream(const effect_base& e, const result<std::string>& outcome) const {
  if (e.streams_ && world_.env.streams != nullptr)
    world_.env.streams->settle(who_.id, stream_of(key_of(e), who_.id), outcome);
}

// -- observers -----------------------------------------------------------------------------------

std::string invocation::service_of(const effect_base& e) const {
  return std::string{e.kind_ == effect_kind::tool    ? "tool:"
                     : e.kind_ == effect_kind::model ? "llm:"
                                                     : ""}
         + e.name_;
}

std::string invocation::key_of(const effect_base& e) const {
  if (!e.key_.empty())
    return e.key_;
  auto generation = planted(planted_bug::key_reused_by_generation) ? 0 : generation_;
  if (e.undoes()) // the same for every attempt, and for no other doing of the same step
    return effect_key(who_.id, e.saga_->step->run, generation, e.saga_->step->at) + "/undo";
  return effect_key(who_.id, e.run_, generation, e.at());
}

bool invocation::all_passive() const {
  if (pending_.empty())
    return false;
  return std::all_of(pending_.begin(), pending_.end(), [](const auto& p) {
    const auto& e = *p.second;
    // `idle`: begins right after the flush that ends this turn.
    return e.phase_ == phase::parked
           || ((e.phase_ == phase::started || e.phase_ == phase::idle)
               && (e.kind_ == effect_kind::sleep || e.kind_ == effect_kind::signal
                   || e.kind_ == effect_kind::invoke));
  });
}

utc_time invocation::next_wake() const {
  auto first = never;
  for (const auto& [_, e] : pending_)
    if (e->kind_ == effect_kind::sleep)
      first = std::min(first, e->when_);
  return first;
}

} // namespace troupe
