// From its turn to its end: keys, concurrency, sleep, deaths.
#include "actors/flow/dispatcher.hpp"

#include "runtime/core/planted.hpp"

#include <algorithm>

namespace troupe {

void dispatcher::admit(slot& s) {
  if (!s.key.empty()) {
    stand_in_line(s);
    if (!is_first(s))
      return; // its turn comes when the key is free
  }
  take_key(s);
}

void dispatcher::stand_in_line(slot& s, bool first) {
  auto& line = s.agent->keys[s.key];
  if (first)
    line.push_front(s.no);
  else
    line.push_back(s.no);
  ++s.agent->in_lines;
}

bool dispatcher::is_first(const slot& s) const {
  return s.agent->keys.at(s.key).front() == s.no || planted(planted_bug::second_writer_admitted);
}

void dispatcher::take_key(slot& s) {
  auto& a = *s.agent;
  if (s.actor || s.queued || s.ended_at != 0 || wait_for_rows(s))
    return;
  auto limit = a.options.concurrency == 0 ? concurrency_limit : a.options.concurrency;
  if (!s.admitted && a.live >= limit) {
    s.queued = true;
    const auto& tenant = s.tenant ? *s.tenant : a.options.tenant;
    auto share = setup_.tenant_shares.find(tenant);
    a.queue.push(s.no, tenant, share == setup_.tenant_shares.end() ? 1 : share->second);
    return;
  }
  start(s);
}

// Its actor will read the store: all that was appended for it must be there by then.
bool dispatcher::wait_for_rows(slot& s) {
  bool fresh = s.more && s.more->fresh && s.key.empty();
  if (fresh || s.last_row <= setup_.log.durable_lsn())
    return false;
  begin_after_.emplace(s.last_row, s.no);
  return true;
}

void dispatcher::start(slot& s) {
  const auto* cls = find_agent(s.agent->options.class_name);
  if (cls == nullptr) {
    s.state = store::status::paused;
    return;
  }
  if (!s.admitted) {
    s.admitted = true;
    ++s.agent->live;
  }
  s.state = store::status::running;
  s.sent = 0;
  invocation_identity who;
  who.no = s.no;
  who.id = id_of(s.no);
  who.agent = s.agent->options.name;
  who.tree = s.tree;
  who.tenant = s.tenant;
  who.key = s.key;
  who.cls = cls;
  who.deadline = s.deadline;
  who.passivate_after = s.agent->options.passivate_after;
  who.incarnation = incarnation_;
  who.yields = s.agent->options.yields && !s.key.empty();
  who.has_key = !s.keyless;
  s.wants_key = false;
  s.actor = spawn<invocation, caf::lazy_init>(world_, std::move(who));
  begin_invocation begin;
  if (s.more)
    begin.fresh = std::exchange(s.more->fresh, nullptr);
  send(s.actor, std::move(begin));
}

bool dispatcher::is_stuck(store::status state) const {
  return state == store::status::paused || state == store::status::quarantined;
}

void dispatcher::wake(slot& s) {
  if (!is_stuck(s.state) && s.state != store::status::queued)
    take_key(s);
}

void dispatcher::on_durable(const durable& d) {
  auto waiting = begin_after_.equal_range(d.at);
  std::vector<invocation_no> begin;
  for (auto i = waiting.first; i != waiting.second; ++i)
    begin.push_back(i->second);
  begin_after_.erase(waiting.first, waiting.second);
  for (auto no : begin)
    if (auto* next = find(no))
      take_up(*next);
  auto dropped = letter_replies_.upper_bound(d.at);
  for (auto i = letter_replies_.begin(); i != dropped; ++i)
    i->second.deliver(command_reply{});
  letter_replies_.erase(letter_replies_.begin(), dropped);
  auto* s = find(d.invocation);
  if (s == nullptr)
    return;
  if (d.at >= s->accepted_at)
    tell_accepted(*s);
  if (s->more) {
    auto& commands = s->more->commands;
    for (auto& a : commands)
      if (a.at <= d.at)
        a.promise.deliver(command_reply{});
    std::erase_if(commands, [&](const acknowledgement& a) { return a.at <= d.at; });
  }
  progress(*s);
  if (s->ended_at != 0 && d.at >= s->ended_at)
    close(*s);
}

// It may hold its key already, have to queue for it again, or need none until it is signalled.
void dispatcher::take_up(slot& s) {
  if (s.key.empty() || s.keyless) {
    take_key(s);
    return;
  }
  auto& line = s.agent->keys[s.key];
  if (std::find(line.begin(), line.end(), s.no) == line.end())
    admit(s);
  else if (is_first(s))
    take_key(s);
}

void dispatcher::tell_accepted(slot& s) {
  if (!s.more)
    return;
  auto& all = s.more->waiters;
  for (std::size_t i = 0; i < all.size();) {
    auto& w = all[i];
    if (w.observer && !std::exchange(w.told, true))
      w.observer->on_accepted(id_of(s.no), w.attached);
    if (w.wait || w.observer) {
      ++i;
      continue;
    }
    w.promise.deliver(invocation_reply{id_of(s.no), s.state, w.attached, std::string{"null"}});
    all.erase(all.begin() + static_cast<long>(i));
  }
}

void dispatcher::on_ended(invocation_ended& e) {
  auto* s = find(e.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  if (!keep_end(*s, e))
    return; // `log_failed` is on its way and clears the slots
  drop_actor(*s);
  s->state = e.how.state;
  // Messages between agents of one process are not outputs: the parent may know before it is
  // durable, since whatever it does then is gated behind it.
  tell_parent(*s, e.how.value);
  more(*s).ending = std::move(e.how);
  s->ended_at = e.at;
  ++ending_;
  if (planted(planted_bug::key_released_early))
    release_key(*s);
  if (setup_.log.durable_lsn() >= s->ended_at)
    close(*s);
}

// A command that came as it ended was written after its end, and the store takes it for running
// again. The end has the last word.
bool dispatcher::keep_end(slot& s, invocation_ended& e) {
  bool told_from_journal = e.at == 0; // which was begun again, so the store took it for open
  if (!told_from_journal && s.last_row < e.at)
    return true;
  store::unit u;
  u.invocation = s.no;
  u.changed = store::change{e.how.state, never, setup_.env.clock.now(), journal::outside,
                            journal::outside};
  e.at = append(std::move(u));
  return e.at != 0;
}

void dispatcher::drop_actor(slot& s) {
  s.actor = nullptr;
  if (planted(planted_bug::concurrency_leaked) && s.state == store::status::suspended)
    s.admitted = false;
  if (std::exchange(s.admitted, false)) {
    --s.agent->live;
    next_in_line(*s.agent);
  }
}

void dispatcher::next_in_line(agent_state& a) {
  auto limit = a.options.concurrency == 0 ? concurrency_limit : a.options.concurrency;
  while (!a.queue.empty() && a.live < limit) {
    auto no = a.queue.pop();
    // One that was cancelled in the queue and retried stands in it twice.
    if (auto* s = find(no); s != nullptr && std::exchange(s->queued, false))
      take_key(*s);
  }
}

void dispatcher::close(slot& s) {
  --ending_;
  tell_accepted(s);
  if (s.more && s.more->ending) {
    auto& how = *s.more->ending;
    auto id = id_of(s.no);
    // Here and not where it ended: an end that is rolled back has not happened.
    event line;
    line.name = "invocation.ended";
    line.invocation = id;
    line.agent = s.agent->options.name;
    line.result = how.value ? to_string(how.state) : to_string(how.value.error().code);
    setup_.env.events.write(line);
    for (auto& w : s.more->waiters) {
      if (w.observer)
        w.observer->on_ended(id, how);
      else
        w.promise.deliver(invocation_reply{id, how.state, w.attached, how.value});
    }
    for (auto& a : s.more->commands)
      a.promise.deliver(command_reply{});
  }
  ++ended_count_;
  --s.agent->open;
  if (s.deadline != never)
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), s.no | deadline_bit, never});
  release_key(s);
  if (auto* parent = s.parent == 0 ? nullptr : find(s.parent); parent != nullptr && parent->more)
    std::erase(parent->more->children, s.no);
  if (!s.idempotency_key.empty())
    keys_.erase({s.agent->options.name, s.idempotency_key});
  slots_.erase(s.no);
  if (!idle_waiters_.empty() || !drain_waiters_.empty())
    check_idle();
}

void dispatcher::release_key(slot& s) {
  if (s.key.empty())
    return;
  auto i = s.agent->keys.find(s.key);
  if (i == s.agent->keys.end())
    return;
  auto& line = i->second;
  bool had_it = !line.empty() && line.front() == s.no;
  s.agent->in_lines -= std::erase(line, s.no);
  if (line.empty()) {
    s.agent->keys.erase(i);
    return;
  }
  if (had_it)
    if (auto* next = find(line.front()))
      give_key(*next);
}

void dispatcher::give_key(slot& s) {
  if (!std::exchange(s.wants_key, false)) {
    take_key(s);
    return;
  }
  s.keyless = false;
  tell(s, key_granted{});
}

void dispatcher::on_key_released(const key_released& k) {
  auto* s = find(k.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  s->keyless = true;
  release_key(*s);
}

void dispatcher::on_key_wanted(const key_wanted& k) {
  auto* s = find(k.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  s->wants_key = true;
  auto& line = s->agent->keys[s->key];
  if (std::find(line.begin(), line.end(), s->no) == line.end())
    stand_in_line(*s);
  if (is_first(*s))
    give_key(*s);
}

void dispatcher::on_died(const invocation_died& d) {
  auto* s = find(d.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  s->actor = nullptr; // still admitted: it comes back
  if (std::exchange(s->wants_key, false)) // and asks for its key again
    release_key(*s);
  s->last_row = std::max(s->last_row, d.at);
  auto pause = std::chrono::milliseconds{100} * (1U << std::min(d.deaths, 10U));
  send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), d.no | respawn_bit,
                               setup_.env.clock.now() + pause});
}

void dispatcher::on_stopped(const invocation_stopped& what) {
  auto* s = find(what.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  s->state = what.state;
  if (std::exchange(s->wants_key, false))
    release_key(*s);
  s->last_row = std::max(s->last_row, what.at);
  drop_actor(*s);
  check_idle();
}

void dispatcher::on_passivate(const passivate_me& p) {
  auto* s = find(p.no);
  if (s == nullptr || s->actor != current_sender())
    return;
  bool go = p.received == s->sent || planted(planted_bug::mail_lost_to_passivation);
  send(s->actor, passivation_answered{go});
  if (!go)
    return;
  s->state = p.parked ? store::status::parked : store::status::suspended;
  s->wake_at = p.wake_at;
  if (p.wake_at != never)
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), p.no, p.wake_at});
  drop_actor(*s);
  if (!drain_waiters_.empty() || !idle_waiters_.empty())
    check_idle();
}

void dispatcher::on_timer(std::uint64_t id) {
  if (id == take_up_timer) {
    take_up();
  } else if (id == purge_timer) {
    purge();
  } else if (id == sweep_timer) {
    sweep();
  } else if (id == drain_timer) {
    std::uint64_t left = 0;
    for (auto& [_, a] : agents_)
      left += a.live;
    for (auto& p : std::exchange(drain_waiters_, {}))
      p.deliver(drained{left});
  } else if (unsettled_.contains(id)) {
    settle(id);
  } else if (auto* s = find(id & ~(deadline_bit | respawn_bit)); s != nullptr) {
    if ((id & deadline_bit) != 0)
      cancel(*s, journal::cancel_reason::deadline, nullptr);
    else if ((id & respawn_bit) != 0)
      wake(*s);
    else if (s->state == store::status::suspended || s->state == store::status::parked)
      wake(*s);
  }
}

} // namespace troupe
