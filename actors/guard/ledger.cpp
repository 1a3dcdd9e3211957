#include "actors/guard/ledger.hpp"

#include "runtime/journal/reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

/// The reader answers from one index; this is for one that has gone.
constexpr std::chrono::seconds look_up_timeout{30};

/// To go on with a purge that has not done all: time for others to write between.
constexpr std::chrono::seconds purge_again{1};

action_claimed answer(result<std::string> outcome, store::claimant from = {}) {
  action_claimed a;
  a.outcome = std::move(outcome);
  a.from = std::move(from);
  return a;
}

} // namespace

ledger::ledger(caf::actor_config& cfg, const environment& env, journal::commit_log& log,
               caf::actor reader, caf::actor timer, ledger_options options)
  : caf::event_based_actor(cfg), env_(env), log_(log), reader_(std::move(reader)),
    timer_(std::move(timer)), options_(options) {}

void ledger::on_exit() {
  auto why = error{errc::shutting_down, "the process ends"};
  for (auto& [_, e] : entries_)
    fail_all(e, why);
  for (auto& [_, g] : grants_) // promises hold their own actor
    g.promise.deliver(answer(why));
  entries_.clear();
  grants_.clear();
  send(timer_, disarm_timers{address()});
  reader_ = timer_ = nullptr;
}

caf::behavior ledger::make_behavior() {
  purge();
  return {
    [this](claim_action& ask) { on_claim(ask); },
    [this](action_settled& s) { on_settled(s); },
    [this](const durable& d) { on_durable(d.at); },
    [this](const timer_fired& t) { on_timer(t.id); },
    [this](const forget_claims&) {
      // Those who wait are being ended too, and ask again in their next life.
      entries_.clear();
      grants_.clear();
      leaving_.clear();
      leases_.clear();
      send(timer_, disarm_timers{address()});
      purge();
    },
  };
}

void ledger::on_claim(claim_action& ask) {
  auto promise = make_response_promise();
  if (ask.incarnation != log_.incarnation())
    return; // its actor is being ended
  sweep();
  auto [i, fresh] = entries_.try_emplace(ask.what);
  auto& e = i->second;
  if (fresh && count_ >= options_.claims_max) {
    entries_.erase(i);
    promise.deliver(answer(error{
      errc::overloaded, fmt::format("{} business keys are remembered (claims_max)", count_)}));
    return;
  }
  // An effect that asks again has a new life: whoever asked for it before is gone.
  std::erase_if(e.waiters, [&](const waiter& w) { return w.ask.by == ask.by; });
  if (e.waiters.size() >= options_.waiters_max) {
    promise.deliver(answer(
      error{errc::overloaded, fmt::format("{} calls wait for key \"{}\" (waiters_max)",
                                          e.waiters.size(), ask.what.key)}));
    return;
  }
  auto what = ask.what;
  e.waiters.push_back({std::move(ask), std::move(promise)});
  if (e.known)
    serve(what, e);
  else if (!e.looking)
    look_up(what, e);
}

void ledger::look_up(const store::claim_key& what, entry& e) {
  e.looking = true;
  auto incarnation = log_.incarnation();
  request(reader_, look_up_timeout, find_claim{what})
    .then(
      [=, this](found_claim& found) {
        auto i = entries_.find(what);
        if (i == entries_.end() || incarnation != log_.incarnation())
          return;
        auto& e = i->second;
        e.looking = false;
        if (!found.what) {
          fail_all(e, found.what.error());
          leave(what, e);
          return;
        }
        e.known = true;
        e.record = std::move(*found.what);
        for (auto& s : std::exchange(e.early, {}))
          apply(e, s);
        serve(what, e);
      },
      [=, this](const caf::error&) {
        auto i = entries_.find(what);
        if (i == entries_.end())
          return;
        i->second.looking = false;
        fail_all(i->second, error{errc::unavailable, "the store's reader does not answer"});
        leave(what, i->second);
      });
}

// Once through the line: each is answered, granted, or goes on waiting.
void ledger::serve(const store::claim_key& what, entry& e) {
  for (std::size_t left = e.waiters.size(); left > 0; --left) {
    auto w = std::move(e.waiters.front());
    e.waiters.pop_front();
    if (!serve_one(e, w))
      e.waiters.push_back(std::move(w));
  }
  watch_lease(what, e);
  leave(what, e);
}

bool ledger::serve_one(entry& e, waiter& w) {
  using store::claim_state;
  auto now = env_.clock.now();
  auto& r = e.record;
  if (r && r->state == claim_state::completed && r->expires < now)
    r.reset();
  if (!r) {
    ++count_;
    give(e, w, !w.ask.renewed, w.ask.sent);
    return true;
  }
  if (r->arguments != w.ask.arguments) {
    w.promise.deliver(answer(error{
      errc::key_conflict, fmt::format("key \"{}\" came before with other arguments, from "
                                      "invocation {}",
                                      w.ask.what.key,
                                      store::invocation_id(log_.store().tag(),
                                                           r->owner.invocation))}));
    return true;
  }
  if (r->state == claim_state::completed) {
    w.promise.deliver(answer(r->answer.text, r->owner));
    return true;
  }
  if (r->owner == w.ask.by) {
    give(e, w, !w.ask.renewed, w.ask.renewed ? w.ask.sent : r->sent);
    return true;
  }
  bool nobodys = r->owner == store::claimant{};
  bool overdue = r->state == claim_state::in_flight && r->lease <= now;
  if (nobodys || overdue)
    give(e, w, true, r->sent);
  return nobodys || overdue;
}

void ledger::give(entry& e, waiter& w, bool again, utc_time sent) {
  auto now = env_.clock.now();
  store::claim c;
  c.what = w.ask.what;
  c.arguments = w.ask.arguments;
  c.owner = w.ask.by;
  c.owner_epoch = log_.store().owner();
  c.sent = sent;
  c.lease = now + 2 * w.ask.flight + options_.lease;
  c.expires = now + options_.unsettled_kept;
  e.record = c;
  store::unit u;
  u.beside = std::make_shared<store::aside>();
  u.beside->claims.push_back(std::move(c));
  auto at = log_.append(std::move(u), caf::actor_cast<caf::actor>(this), w.ask.incarnation,
                        context());
  if (at == 0)
    return; // `forget_claims` is on its way
  e.written = at;
  action_claimed reply;
  reply.how = again ? action_claimed::verdict::again : action_claimed::verdict::granted;
  reply.sent = sent;
  grants_.emplace(at, grant{std::move(w.promise), std::move(reply)});
}

void ledger::on_durable(lsn at) {
  auto end = grants_.upper_bound(at);
  for (auto i = grants_.begin(); i != end; ++i)
    i->second.promise.deliver(std::move(i->second.reply));
  grants_.erase(grants_.begin(), end);
  sweep();
}

void ledger::on_settled(action_settled& s) {
  if (s.incarnation != log_.incarnation())
    return;
  sweep();
  // What the store says before `at` is durable is old: so it is kept until then.
  auto what = s.what.what;
  auto& e = entries_[what];
  e.written = std::max(e.written, s.at);
  if (!e.known) {
    e.early.push_back(std::move(s));
    leave(what, e);
    return;
  }
  apply(e, s);
  serve(what, e);
}

void ledger::apply(entry& e, action_settled& s) {
  bool keep = true;
  if (!e.record || !store::settle(*e.record, s.what, keep))
    return;
  if (!keep) {
    e.record.reset();
    count_ -= std::min<std::uint64_t>(count_, 1);
  }
  // They waited for this attempt, so its failure is theirs. Only who comes later tries again: a
  // hundred that wait for a card that is declined must not have it declined a hundred times.
  if (s.failure)
    fail_all(e, *s.failure);
}

void ledger::fail_all(entry& e, const error& why) {
  for (auto& w : std::exchange(e.waiters, {}))
    w.promise.deliver(answer(why));
}

void ledger::watch_lease(const store::claim_key& what, entry& e) {
  bool waits = !e.waiters.empty() && e.record && e.record->state == store::claim_state::in_flight;
  auto me = caf::actor_cast<caf::actor>(this);
  if (!waits && e.timer != 0) {
    send(timer_, arm_timer{me, e.timer, never});
    leases_.erase(std::exchange(e.timer, 0));
  }
  if (!waits)
    return;
  if (e.timer == 0)
    leases_.emplace(e.timer = ++last_timer_, what);
  send(timer_, arm_timer{me, e.timer, e.record->lease});
}

void ledger::on_timer(std::uint64_t id) {
  if (id == purge_timer) {
    purge();
    return;
  }
  auto lease = leases_.extract(id);
  auto i = lease ? entries_.find(lease.mapped()) : entries_.end();
  if (i == entries_.end())
    return;
  i->second.timer = 0;
  serve(i->first, i->second);
}

// The store knows it as well, from that row on.
void ledger::leave(const store::claim_key& what, const entry& e) {
  if (e.waiters.empty() && !e.looking)
    leaving_.emplace_back(e.written, what);
}

void ledger::sweep() {
  auto up_to = log_.durable_lsn();
  while (!leaving_.empty() && leaving_.front().first <= up_to) {
    auto i = entries_.find(leaving_.front().second);
    leaving_.pop_front();
    if (i != entries_.end() && i->second.waiters.empty() && !i->second.looking
        && i->second.written <= up_to)
      entries_.erase(i);
  }
}

void ledger::purge() {
  auto now = env_.clock.now();
  auto me = caf::actor_cast<caf::actor>(this);
  send(timer_, arm_timer{me, purge_timer, now + options_.purge_every});
  if (log_.failed())
    return;
  request(reader_, look_up_timeout, count_claims{now})
    .then(
      [=, this](counted_claims& n) {
        if (!n.what || n.what->expired == 0) {
          count_ = n.what ? n.what->all : count_;
          return;
        }
        count_ = n.what->all - std::min<std::uint64_t>(n.what->expired, store::claims_purge);
        store::unit u;
        u.beside = std::make_shared<store::aside>();
        u.beside->claims_before = now;
        log_.append(std::move(u), {}, log_.incarnation(), context());
        if (n.what->expired > store::claims_purge)
          send(timer_, arm_timer{me, purge_timer, env_.clock.now() + purge_again});
      },
      [](const caf::error&) {}); // the next round tries again
}

} // namespace troupe
