// A turn of the coroutine: out of the record or live, up to where it waits, and what follows from that.
#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

void invocation::advance() {
  if (over_ || !begun_)
    return;
  if (!live_ && root_->next) // the first step of a replay
    detail::run_branch(root_.get());
  do
    run_coroutine();
  while (!over_ && end_turn());
}

void invocation::run_coroutine() {
  while (!over_ && !next_) {
    if (too_long_) {
      finish(store::status::failed,
             error{errc::output_too_large,
                   fmt::format("a generation holds at most {} journal entries (entries_max); "
                               "co_return continue_as(state) begins a new one",
                               world_.options.entries_max)});
      return;
    }
    if (halt_) {
      pause(*halt_);
      return;
    }
    if (root_->finished()) {
      root_ended();
      continue;
    }
    if (!live_) {
      if (replay_ && !replay_->at_end())
        replay_next();
      else
        go_live();
      continue;
    }
    match_signals();
    if (!has_key_ && !ready_.empty()) {
      want_key();
      return;
    }
    if (!deliver_ready())
      return;
  }
}

void invocation::replay_next() {
  auto& next = replay_->peek();
  if (std::holds_alternative<journal::cancel_delivered>(next)) {
    cancelled_ = true;
    replay_->advance();
    return;
  }
  if (auto* found = std::get_if<journal::state_loaded>(&next)) {
    if (auto loaded = agent_->load_state(found->state.text); !loaded)
      halt_ = std::make_unique<error>(loaded.error());
    replay_->advance();
    return;
  }
  auto* done = std::get_if<journal::completion>(&next);
  auto* e = done == nullptr ? nullptr : find(done->at);
  if (e == nullptr) {
    nondeterministic("nothing more");
    return;
  }
  auto value = done->ok ? result<std::string>{std::move(done->value.text)}
                        : result<std::string>{std::move(done->failure)};
  bool shared = replay_->is_borrowed(e->at());
  replay_->advance();
  world_.replayed.fetch_add(1, std::memory_order_relaxed);
  deliver(*e, std::move(value), shared);
}

bool invocation::deliver_ready() {
  while (!ready_.empty()) {
    auto item = std::move(ready_.front());
    ready_.erase(ready_.begin());
    auto* e = find(item.id);
    if (e == nullptr) { // its branch lost a race meanwhile
      if (item.signal == 0)
        record_note("late_result", item.value ? *item.value : to_json(to_string(item.value.error())));
      continue;
    }
    if (e->claimed_) // the answer as it came: others under its key may want another shape
      close_claim(*e, item.value);
    // Looked at before it is recorded: an answer of another shape is a failure that a retry cures.
    if (item.value)
      if (auto fits = e->fits(*item.value); !fits)
        item.value = error{errc::schema_mismatch, fits.error().message,
                           e->cls_ >= effect_class::idempotent ? certainty::unknown
                                                               : certainty::definite};
    if (item.signal != 0)
      send(world_.dispatcher, signal_consumed{who_.no});
    if (!planted(planted_bug::recorded_on_arrival))
      record_completion(*e, item);
    if (e->undoes() && item.value)
      note_undone(*e);
    deliver(*e, std::move(item.value), item.shared);
    return true;
  }
  return false;
}

void invocation::go_live() {
  live_ = true;
  auto past = std::move(replay_);
  if (past) {
    if (past->ends_yielding()) {
      has_key_ = false;
      if (who_.has_key) // as far as the dispatcher knows
        send(world_.dispatcher, key_released{who_.no});
    }
    // What was in flight when the last life ended is begun again, in the order of its addresses.
    std::vector<std::uint64_t> open;
    for (auto& [id, e] : pending_)
      if (e->phase_ == phase::replayed)
        open.push_back(id);
    if (planted(planted_bug::branch_not_begun_again) && open.size() > 1)
      open.pop_back();
    for (auto id : open)
      if (auto* e = find(id); e != nullptr && !over_)
        begin_again(*past, *e);
    if (past->carries())
      carried_ = std::move(past);
  }
  decisions_.clear();
  if (over_ || !cancel_asked_)
    return;
  if (cancelled_)
    arm_grace();
  else
    deliver_cancel();
}

void invocation::begin_again(const journal::replay& past, effect_base& e) {
  auto at = e.at();
  if (const auto* got = past.carried(at)) {
    serve_carried(past, e, *got);
    return;
  }
  if (const auto* again = past.reissued(at)) {
    e.key_ = again->key;
    e.when_ = again->sent;
  }
  if (past.renewed(at)) {
    e.run_ = run_;
    e.repeated_ = false;
    reissue(e);
  } else if (past.is_parked(at)) {
    e.phase_ = phase::parked;
    e.claimed_ = must_claim(e); // and has kept its claim
    const auto* decision = past.decision(at);
    for (const auto& d : decisions_)
      if (d.at == at)
        decision = &d;
    if (decision != nullptr)
      apply_resolution(e, *decision);
  } else {
    start_again(e);
  }
}

bool invocation::end_turn() {
  auto now = world_.env.clock.now();
  auto limit = who_.passivate_after;
  bool quiet = live_ && !cancelled_ && flying_ == 0 && ready_.empty() && gated_.empty()
               && all_passive();
  bool long_wait = quiet && limit.count() > 0 && next_wake() - now > limit;
  // A wait whose length is known is written down with the command that begins it; the actor goes
  // as soon as that is durable.
  if (long_wait && next_wake() != never && !suspended_ && !out_.empty())
    mark_suspended();
  else if (!quiet && has_key_ && (suspended_ || stale_status_) && !out_.empty()) {
    suspended_ = stale_status_ = false;
    extra().changed = change_to(store::status::running);
  }
  if (quiet && may_yield()) {
    // As in a monitor: what it has changed so far is seen by those that it lets in.
    auto state = agent_->save_state();
    out_.add(journal::entry{journal::state_loaded{keep_state(state)}});
    extra().state = store::saved_state{who_.agent, who_.key, std::move(state),
                                       world_.env.clock.now()};
    has_key_ = false;
    mark_suspended();
    key_until_ = flush();
  }
  flush();
  if (over_)
    return false;
  if (quiet)
    shrink();
  auto begin = std::exchange(starting_, {});
  for (auto id : begin)
    if (auto* e = find(id); e != nullptr && e->phase_ != phase::ready)
      start(*e);
  match_signals();
  if (!ready_.empty()) {
    if (!has_key_)
      want_key();
    return has_key_;
  }
  if (long_wait && !leaving_)
    leave_or_wait(now);
  return false;
}

bool invocation::waits_for_decision() const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [](const auto& p) { return p.second->phase_ == phase::parked; });
}

// Buffers are kept from step to step, but not over a wait: there may be 100,000 that wait.
void invocation::shrink() {
  out_ = {};
  ready_.shrink_to_fit();
  deaths_.shrink_to_fit();
}

void invocation::mark_suspended() {
  suspended_ = true;
  stale_status_ = false;
  tell_me_ = true;
  // After a restart, one that waits for a child must ask for it again: the child may have ended in
  // the last commit. And of those that share a key by yielding, `running` is the one that has it.
  auto wake = next_wake();
  for (const auto& [_, e] : pending_)
    if (e->kind_ == journal::effect_kind::invoke && !planted(planted_bug::child_not_asked_again))
      wake = world_.env.clock.now();
  auto state = waits_for_decision()         ? store::status::parked
               : who_.yields && has_key_ ? store::status::running
                                            : store::status::suspended;
  extra().changed = change_to(state, wake);
}

// Whether all that it waits for is signals, and timers beside them.
bool invocation::may_yield() const {
  using journal::effect_kind;
  if (!who_.yields || !has_key_ || !agent_->keeps_state())
    return false;
  auto waits_for = [this](effect_kind k) {
    return std::count_if(pending_.begin(), pending_.end(), [k](const auto& p) {
      const auto& e = *p.second;
      return e.kind_ == k && (e.phase_ == phase::started || e.phase_ == phase::idle);
    });
  };
  auto signals = static_cast<std::size_t>(waits_for(effect_kind::signal));
  auto timers = static_cast<std::size_t>(waits_for(effect_kind::sleep));
  return signals > 0 && signals + timers == pending_.size();
}

void invocation::want_key() {
  // Not before it was given away: on_durable comes back here.
  if (key_until_ == 0 && !std::exchange(key_asked_, true))
    send(world_.dispatcher, key_wanted{who_.no});
}

void invocation::arm_grace() {
  timers_armed_ = true;
  send(world_.timer, arm_timer{caf::actor_cast<caf::actor>(this), grace_timer,
                               world_.env.clock.now() + world_.options.cancel_grace});
}

void invocation::leave_or_wait(utc_time now) {
  auto limit = who_.passivate_after;
  if (suspended_ && durable_ >= last_lsn_) {
    leaving_ = true;
    send(world_.dispatcher, passivate_me{who_.no, received_, next_wake(), waits_for_decision()});
  } else if (!suspended_ && !idle_armed_) {
    if (idle_since_ == utc_time{})
      idle_since_ = now;
    if (now - idle_since_ >= limit) {
      mark_suspended();
      flush();
      return;
    }
    idle_armed_ = true;
    timers_armed_ = true;
    send(world_.timer,
         arm_timer{caf::actor_cast<caf::actor>(this), idle_timer, idle_since_ + limit});
  }
}

} // namespace troupe
