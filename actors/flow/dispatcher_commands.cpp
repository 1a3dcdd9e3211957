// What a person or a program asks of an invocation that is already there.
#include "actors/flow/dispatcher.hpp"
#include "actors/flow/parent_effect.hpp"

#include "runtime/core/planted.hpp"

#include <fmt/format.h>

namespace troupe {
namespace {

// Signals of one invocation that may wait to be consumed. Each costs a journal row; a sender that
// is so far ahead is not read at all.
constexpr std::uint32_t signals_max = 1'000;

// How often finished invocations are looked for, and how many are forgotten in one commit: small,
// so that a purge never delays a step by more than some milliseconds.
constexpr std::chrono::seconds purge_every{60};
constexpr std::uint32_t purge_batch = 500;

command_reply refused(errc code, std::string why) {
  return command_reply{error{code, std::move(why)}};
}

command_reply still_open(const std::string& id) {
  return refused(errc::conflict, fmt::format("\"{}\" is still open: only a failed, cancelled, "
                                             "paused or quarantined invocation is retried",
                                             id));
}

} // namespace

void dispatcher::on_await(await_invocation& a, caf::response_promise promise) {
  waiter w;
  w.wait = true;
  w.attached = true;
  w.observer = a.observer;
  if (!w.observer)
    w.promise = std::move(promise);
  if (auto* s = find_id(a.id)) {
    more(*s).waiters.push_back(std::move(w));
    if (s->accepted_at <= setup_.log.durable_lsn())
      tell_accepted(*s);
    return;
  }
  auto no = store::invocation_number(setup_.log.store().tag(), a.id);
  if (!no) {
    refuse_waiter(w, error{errc::not_found, fmt::format("no invocation \"{}\"", a.id)});
    return;
  }
  request(setup_.reader, std::chrono::seconds{30}, find_record{*no, {}, {}})
    .then(
      [this, w, id = a.id](found_record& found) mutable {
        if (found.what && *found.what)
          answer_from_journal(**found.what, std::move(w), {});
        else
          refuse_waiter(w, found.what ? error{errc::not_found,
                                              fmt::format("no invocation \"{}\"", id)}
                                      : found.what.error());
      },
      [this, w](const caf::error&) mutable {
        refuse_waiter(w, error{errc::unavailable, "the store's reader does not answer"});
      });
}

void dispatcher::acknowledge(slot& s, lsn at, caf::response_promise promise) {
  if (at == 0)
    promise.deliver(command_reply{error{errc::store_failed, setup_.log.why().message}});
  else if (planted(planted_bug::command_told_early))
    promise.deliver(command_reply{});
  else
    more(s).commands.push_back({at, std::move(promise)});
}

void dispatcher::on_signal(signal_request& r, caf::response_promise promise) {
  auto* s = find_id(r.id);
  if (s == nullptr || s->ended_at != 0) {
    promise.deliver(refused(errc::not_found, fmt::format("no open invocation \"{}\"", r.id)));
    return;
  }
  if (s->signals >= signals_max) {
    promise.deliver(refused(errc::overloaded,
                            fmt::format("{} signals wait already (signals_max)", signals_max)));
    return;
  }
  if (auto json = canonical(r.value); !json) {
    promise.deliver(refused(errc::invalid_input, "signal: " + json.error().message));
    return;
  }
  if (auto why = setup_.log.refuses(r.value.size())) {
    promise.deliver(command_reply{std::move(*why)});
    return;
  }
  ++s->signals;
  store::unit u;
  u.invocation = s->no;
  journal::signalled what;
  what.name = r.name;
  what.when = setup_.env.clock.now();
  if (r.value.size() > setup_.invocations.inline_max) {
    what.value.stored = true;
    what.value.hash = sha256(r.value);
    u.blobs.push_back({what.value.hash, r.value, false});
    u.references.push_back(what.value.hash);
  } else {
    what.value.text = r.value;
  }
  journal::row_writer row;
  row.add(journal::entry{std::move(what)});
  u.row = row.take(s->no, journal::outside, journal::outside);
  u.changed = awake(*s);
  auto at = append(std::move(u));
  acknowledge(*s, at, promise);
  if (at == 0)
    return;
  s->last_row = at;
  if (s->actor) {
    tell(*s, signal_arrived{at, r.name, r.value});
    return;
  }
  if (s->more) // one that has not begun must read its journal now: the signal stands there alone
    s->more->fresh = nullptr;
  wake(*s);
}

// A crash right after a signal, a cancellation or a decision must not leave one asleep that has
// something to do. Of those that share a key by yielding, `running` is the one that has it: they
// are all woken at a restart.
std::optional<store::change> dispatcher::awake(const slot& s) const {
  bool asleep = s.state == store::status::suspended || s.state == store::status::parked
                || s.state == store::status::running;
  if (!asleep || s.agent->options.yields)
    return {};
  return store::change{store::status::running, never, setup_.env.clock.now(), journal::outside,
                       journal::outside};
}

void dispatcher::on_cancel(cancel_request& r, caf::response_promise promise) {
  auto* s = find_id(r.id);
  if (s == nullptr || s->ended_at != 0) {
    promise.deliver(refused(errc::not_found, fmt::format("no open invocation \"{}\"", r.id)));
    return;
  }
  cancel(*s, journal::cancel_reason::requested, &promise);
}

void dispatcher::cancel(slot& s, journal::cancel_reason why, caf::response_promise* promise) {
  auto no = s.no;
  if (s.ended_at != 0 || (s.cancelled && promise == nullptr))
    return;
  s.cancelled = true;
  auto now = setup_.env.clock.now();
  store::unit u;
  u.invocation = no;
  journal::row_writer row;
  row.add(journal::entry{journal::cancel_asked{why, now}});
  bool not_begun = !s.actor && (s.state == store::status::queued || is_stuck(s.state));
  outcome how{store::status::cancelled,
              error{why == journal::cancel_reason::deadline ? errc::deadline_exceeded
                                                            : errc::cancelled,
                    std::string{to_string(why)}}};
  u.changed = awake(s);
  if (not_begun) { // no coroutine will ever hear of it: it ends here
    journal::ended end;
    end.ok = false;
    end.failure = how.value.error();
    end.when = now;
    row.add(journal::entry{std::move(end)});
    u.changed = store::change{store::status::cancelled, never, now, journal::outside,
                              journal::outside};
    u.beside = std::make_shared<store::aside>();
    u.beside->letters_answered = s.state == store::status::quarantined;
    if (why == journal::cancel_reason::deadline && s.state == store::status::queued)
      u.beside->letters.push_back({0, store::letter_kind::expired, no, s.agent->options.name,
                                   s.idempotency_key, {}, "its deadline passed before its turn", 0,
                                   now});
  }
  u.row = row.take(no, journal::outside, journal::outside);
  auto at = append(std::move(u));
  if (promise != nullptr)
    acknowledge(s, at, *promise);
  if (at == 0)
    return;
  s.last_row = at;
  if (not_begun) {
    tell_parent(s, how.value);
    more(s).ending = std::move(how);
    s.ended_at = at;
    ++ending_;
  } else if (s.actor) {
    tell(s, cancel_arrived{why});
  } else {
    wake(s);
  }
  // Children that are waited for are part of it.
  auto children = s.more ? s.more->children : std::vector<invocation_no>{};
  for (auto child : children)
    if (auto* c = find(child); c != nullptr && c->parent_waits)
      cancel(*c, journal::cancel_reason::parent, nullptr);
}

void dispatcher::on_child_abandoned(const child_abandoned& c) {
  if (looking_.contains({c.agent, c.key})) { // it is about to be accepted
    stashed_.push_back([this, c](const error* why) {
      if (why == nullptr)
        on_child_abandoned(c);
    });
    return;
  }
  auto i = keys_.find({c.agent, c.key});
  auto* child = i == keys_.end() ? nullptr : find(i->second);
  if (child == nullptr)
    return;
  child->parent_waits = false;
  cancel(*child, journal::cancel_reason::parent, nullptr);
}

void dispatcher::on_retry(retry_request& r, caf::response_promise promise) {
  auto no = store::invocation_number(setup_.log.store().tag(), r.id);
  auto* s = no ? find(*no) : nullptr;
  if (!no || (s != nullptr && !may_retry(*s))) {
    promise.deliver(no ? still_open(r.id)
                       : refused(errc::not_found, fmt::format("no invocation \"{}\"", r.id)));
    return;
  }
  auto gone = [promise](const caf::error&) mutable {
    promise.deliver(refused(errc::unavailable, "the store's reader does not answer"));
  };
  request(setup_.reader, std::chrono::seconds{30}, find_record{*no, {}, {}})
    .then(
      [=, this](found_record& found) mutable {
        if (!found.what || !*found.what) {
          promise.deliver(refused(errc::not_found, fmt::format("no invocation \"{}\"", r.id)));
          return;
        }
        auto record = **found.what;
        request(setup_.reader, std::chrono::seconds{60}, load_history{*no, {}, {}})
          .then([=, this](history& h) mutable { retry(*no, record, h, promise); }, gone);
      },
      gone);
}

bool dispatcher::may_retry(const slot& s) const {
  return is_stuck(s.state) && !s.actor && s.ended_at == 0;
}

void dispatcher::retry(invocation_no no, const store::record& record, history& h,
                       caf::response_promise promise) {
  auto agent = agents_.find(record.agent);
  if (!h.rows || agent == agents_.end()) {
    promise.deliver(command_reply{
      h.rows ? error{errc::not_found, fmt::format("agent \"{}\" is not in this topology",
                                                  record.agent)}
             : h.rows.error()});
    return;
  }
  auto* s = find(no);
  if (recovering_ || (s != nullptr && !may_retry(*s))) { // meanwhile
    promise.deliver(still_open(id_of(no)));
    return;
  }
  if (record.state == store::status::completed) {
    promise.deliver(refused(errc::conflict, "it has completed: there is nothing to retry"));
    return;
  }
  journal::replay past{std::move(*h.rows)};
  auto kept = past.kept_by_retry();
  if (s == nullptr) {
    // Its key was free meanwhile: it begins on the state that the key has now.
    if (!record.key.empty())
      kept = journal::afresh;
    slot fresh;
    fresh.no = no;
    fresh.agent = &agent->second;
    fresh.key = record.key;
    fresh.idempotency_key = record.idempotency_key;
    fresh.input_hash = record.input_hash;
    // Nobody waits for it any more, but who pays for it stays.
    if (auto origin = read_parent_effect(record.parent_effect)) {
      fresh.depth = origin->depth;
      fresh.tree = origin->tree != 0 ? origin->tree : record.parent;
      if (!origin->tenant.empty())
        fresh.tenant = std::make_shared<const std::string>(std::move(origin->tenant));
    }
    s = &slots_.emplace(no, std::move(fresh)).first->second;
    ++agent->second.open;
    if (!record.idempotency_key.empty())
      keys_[{record.agent, record.idempotency_key}] = no;
  }
  store::unit u;
  u.invocation = no;
  auto state = kept == journal::afresh ? store::status::queued : store::status::running;
  u.changed = store::change{state, never, setup_.env.clock.now(), past.run() + 1,
                            past.generation(), true};
  s->deadline = never;
  u.beside = std::make_shared<store::aside>();
  u.beside->letters_answered = true;
  journal::row_writer row;
  row.add(journal::entry{journal::run_began{kept}});
  u.row = row.take(no, past.run() + 1, past.generation());
  auto at = append(std::move(u));
  acknowledge(*s, at, promise);
  if (at == 0)
    return; // `log_failed` is on its way and clears the slots
  s->accepted_at = s->last_row = at;
  s->cancelled = false;
  s->state = store::status::queued;
  take_up(*s); // once this row is in the store
}

void dispatcher::on_resolve(resolve_request& r, caf::response_promise promise) {
  auto* s = find_id(r.id);
  if (s == nullptr || s->ended_at != 0) {
    promise.deliver(refused(errc::not_found, fmt::format("no open invocation \"{}\"", r.id)));
    return;
  }
  auto no = s->no;
  request(setup_.reader, std::chrono::seconds{60}, load_history{no, {}, {}})
    .then(
      [=, this, r = std::move(r)](history& h) mutable {
        if (auto* still = find(no))
          resolve(*still, r, h, promise);
        else
          promise.deliver(refused(errc::not_found, "it has ended meanwhile"));
      },
      [promise](const caf::error&) mutable {
        promise.deliver(refused(errc::unavailable, "the store's reader does not answer"));
      });
}

void dispatcher::resolve(slot& s, resolve_request& r, history& h, caf::response_promise promise) {
  if (!h.rows) {
    promise.deliver(command_reply{h.rows.error()});
    return;
  }
  journal::replay past{std::move(*h.rows)};
  const auto* open = past.undecided();
  if (open == nullptr) {
    promise.deliver(refused(errc::conflict, "it is not parked: there is nothing to resolve"));
    return;
  }
  if (r.at && *r.at != open->at) {
    promise.deliver(refused(errc::conflict, fmt::format("{} is not what is settled now, that is {}",
                                                        to_string(*r.at), to_string(open->at))));
    return;
  }
  journal::resolved what;
  what.at = open->at;
  what.decision = r.decision;
  if (r.decision == journal::verdict::done) {
    if (auto json = canonical(r.value); !json) {
      promise.deliver(refused(errc::invalid_input, "result: " + json.error().message));
      return;
    }
    what.value.text = r.value;
  }
  store::unit u;
  u.invocation = s.no;
  u.changed = awake(s);
  journal::row_writer row;
  row.add(journal::entry{what});
  u.row = row.take(s.no, journal::outside, journal::outside);
  auto at = append(std::move(u));
  acknowledge(s, at, promise);
  if (at == 0)
    return;
  s.last_row = at;
  if (s.actor)
    tell(s, resolution_arrived{std::move(what)});
  else
    wake(s);
}

dispatcher_stats dispatcher::stats() const {
  dispatcher_stats all;
  for (const auto& [name, a] : agents_) {
    all.agents.push_back({name, a.open, a.waiting(), a.live});
  }
  all.ready = !recovering_;
  all.draining = draining_;
  all.stuck = count_stuck();
  if (setup_.log.failed())
    all.store_failure = setup_.log.why();
  all.replayed_steps = world_->replayed.load();
  return all;
}

void dispatcher::purge() {
  auto me = caf::actor_cast<caf::actor>(this);
  auto now = setup_.env.clock.now();
  send(setup_.timer, arm_timer{me, purge_timer, now + purge_every});
  if (setup_.retention.count() <= 0 || setup_.log.failed())
    return;
  request(setup_.reader, std::chrono::seconds{60},
          load_finished{now - setup_.retention,
                        now - std::max(setup_.retention, setup_.options.key_ttl), purge_batch})
    .then(
      [this, me](finished_page& page) {
        if (!page.what || page.what->empty())
          return;
        bool more_to_come = page.what->size() == purge_batch;
        // One that is being retried is open again.
        std::erase_if(*page.what, [this](invocation_no no) { return find(no) != nullptr; });
        store::unit u;
        u.purge = std::move(*page.what);
        setup_.env.events.write({level::info, "store.purged", {}, {}, {}, "ok", 0, {},
                                 {{"invocations", std::to_string(u.purge.size())}}});
        setup_.log.append(std::move(u), {}, incarnation_, context());
        if (more_to_come)
          send(setup_.timer, arm_timer{me, purge_timer,
                                       setup_.env.clock.now() + std::chrono::seconds{1}});
      },
      [](const caf::error&) {}); // the next round tries again
}

} // namespace troupe
