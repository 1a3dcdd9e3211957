#include "actors/flow/dispatcher.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// Invoke requests in the mailbox. Above it the sender is refused on its own thread: the dispatcher
// handles some 100,000 a second, so more than this could not be answered in good time anyway.
constexpr std::size_t mail_max = 100'000;

// Requests kept while recovery reads what is open, or while a key is being looked up.
constexpr std::size_t stash_max = 100'000;

} // namespace

dispatcher::dispatcher(caf::actor_config& cfg, dispatcher_setup setup)
  : caf::event_based_actor(cfg), setup_(std::move(setup)) {
  for (auto& a : setup_.agents) {
    if (a.class_name.empty())
      a.class_name = a.name;
    agents_[a.name].options = a;
  }
  setup_.invocations.deaths_max = setup_.options.deaths_max;
  world_ = std::shared_ptr<invocation_world>(
    new invocation_world{setup_.env, setup_.log, setup_.reader, setup_.timer,
                         caf::actor_cast<caf::actor>(this), setup_.invocations});
}

void dispatcher::on_exit() {
  for (auto& [_, s] : slots_)
    if (s.actor)
      send_exit(s.actor, caf::exit_reason::user_shutdown);
  // Nobody waits in vain for an actor that is gone.
  auto why = error{errc::shutting_down, "the process ends"};
  tell_all(why);
  unstash(&why);
  slots_.clear();
  for (auto& p : std::exchange(idle_waiters_, {}))
    p.deliver(idle{});
  for (auto& p : std::exchange(drain_waiters_, {}))
    p.deliver(drained{});
  setup_.log.observe(nullptr);
  world_.reset(); // it holds a handle on this actor
}

void dispatcher::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* ctx) {
  if (what->content().match_elements<invoke_request>()) {
    if (mail_.fetch_add(1, std::memory_order_relaxed) >= mail_max) {
      mail_.fetch_sub(1, std::memory_order_relaxed);
      auto why = error{errc::overloaded, "the dispatcher's mailbox is full"};
      why.retry_after = std::chrono::seconds{1};
      const auto& r = what->content().get_as<invoke_request>(0);
      if (r.observer)
        r.observer->on_refused(why);
      else if (what->mid.is_request() && what->sender)
        what->sender->enqueue(
          nullptr, what->mid.response_id(),
          caf::make_message(invocation_reply{{}, store::status::failed, false, why}), ctx);
      return;
    }
  }
  caf::event_based_actor::enqueue(std::move(what), ctx);
}

caf::behavior dispatcher::make_behavior() {
  setup_.log.observe(caf::actor_cast<caf::actor>(this));
  recover();
  return {
    [this](invoke_request& r) {
      mail_.fetch_sub(1, std::memory_order_relaxed);
      on_invoke(r);
    },
    [this](const durable& d) { on_durable(d); },
    [this](child_requested& c) { on_child_requested(c); },
    [this](invocation_ended& e) { on_ended(e); },
    [this](const invocation_died& d) { on_died(d); },
    [this](const invocation_stopped& s) { on_stopped(s); },
    [this](const passivate_me& p) { on_passivate(p); },
    [this](const signal_consumed& c) {
      if (auto* s = find(c.no); s != nullptr && s->signals > 0)
        --s->signals;
    },
    [this](const journal_grew& g) {
      if (auto* s = find(g.no))
        progress(*s);
    },
    [this](const timer_fired& t) { on_timer(t.id); },
    [this](const key_released& k) { on_key_released(k); },
    [this](const key_wanted& k) { on_key_wanted(k); },
    [this](const child_abandoned& c) { on_child_abandoned(c); },
    [this](settle_later& s) { on_settle_later(s); },
    [this](await_invocation& a) { when_recovered(a, &dispatcher::on_await); },
    [this](const unfollow& u) {
      if (auto* s = find_id(u.id); s != nullptr && s->more)
        std::erase_if(s->more->waiters,
                      [&](const waiter& w) { return w.observer == u.observer; });
    },
    [this](signal_request& r) { when_recovered(r, &dispatcher::on_signal); },
    [this](cancel_request& r) { when_recovered(r, &dispatcher::on_cancel); },
    [this](retry_request& r) { when_recovered(r, &dispatcher::on_retry); },
    [this](resolve_request& r) { when_recovered(r, &dispatcher::on_resolve); },
    [this](const stats_request&) { return stats(); },
    [this](const drain_request& r) {
      draining_ = true;
      drain_waiters_.push_back(make_response_promise());
      send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), drain_timer,
                                   setup_.env.clock.now() + r.timeout});
      check_idle();
    },
    [this](const idle_request&) {
      idle_waiters_.push_back(make_response_promise());
      check_idle();
    },
    [this](const log_failed& f) { on_log_failed(f.why); },
    [this](const log_recovered&) { on_log_recovered(); },
  };
}

// While what was open is being read, nobody knows yet which invocations there are.
template <class Message>
void dispatcher::when_recovered(Message& m,
                                void (dispatcher::*then)(Message&, caf::response_promise)) {
  auto promise = make_response_promise();
  auto refuse_with = [promise](error why) mutable {
    if constexpr (std::is_same_v<Message, await_invocation>)
      promise.deliver(invocation_reply{{}, store::status::failed, false, std::move(why)});
    else
      promise.deliver(command_reply{std::move(why)});
  };
  // Not kept for later: whoever is told "failed" must not see it happen afterwards.
  if (setup_.log.failed())
    refuse_with(error{errc::store_failed, setup_.log.why().message});
  else if (!recovering_)
    (this->*then)(m, std::move(promise));
  else if (stashed_.size() >= stash_max)
    refuse_with(error{errc::overloaded, "the process is recovering"});
  else
    stashed_.push_back([=, this, m = std::move(m)](const error* why) mutable {
      if (why == nullptr)
        (this->*then)(m, promise);
      else
        refuse_with(*why);
    });
}

void dispatcher::unstash(const error* why) {
  for (auto& f : std::exchange(stashed_, {}))
    f(why);
}

// -- accepting -----------------------------------------------------------------------------------

void dispatcher::on_invoke(invoke_request& r) {
  waiter w;
  w.observer = r.observer;
  w.wait = r.wait;
  if (!w.observer)
    w.promise = make_response_promise();
  invite(r, std::move(w));
}

void dispatcher::invite(invoke_request& r, waiter w) {
  auto i = agents_.find(r.agent);
  auto* agent = i == agents_.end() ? nullptr : &i->second;
  // Whoever asks for one that is open already brings no new work.
  bool known = !r.idempotency_key.empty() && keys_.contains({r.agent, r.idempotency_key});
  if (auto why = refuse(agent, known)) {
    if (!agent)
      why->message = fmt::format("no agent \"{}\" in this topology", r.agent);
    refuse_waiter(w, std::move(*why));
    return;
  }
  if (recovering_) {
    stashed_.push_back([this, r = std::move(r), w](const error* why) mutable {
      if (why == nullptr)
        invite(r, std::move(w));
      else
        refuse_waiter(w, *why);
    });
    return;
  }
  look_up(std::move(r), 0, std::move(w), {});
}

void dispatcher::on_child_requested(child_requested& c) {
  invoke_request r;
  r.agent = c.agent;
  r.input = std::move(c.input);
  r.idempotency_key = c.key;
  r.deadline = c.deadline;
  auto i = agents_.find(c.agent);
  auto* agent = i == agents_.end() ? nullptr : &i->second;
  if (auto why = refuse(agent, true)) {
    if (!agent)
      why->message = fmt::format("no agent \"{}\" in this topology", c.agent);
    report_child(c, std::move(*why));
    return;
  }
  look_up(std::move(r), 0, {}, std::move(c));
}

// Children and repeats are no new work: what was accepted gets to its end.
std::optional<error> dispatcher::refuse(const agent_state* a, bool accepted) const {
  if (a == nullptr)
    return error{errc::not_found};
  if (setup_.log.failed())
    return error{errc::store_failed, setup_.log.why().message};
  if (accepted)
    return std::nullopt;
  if (draining_)
    return error{errc::shutting_down, "the process drains"};
  if (find_agent(a->options.class_name) == nullptr)
    return error{errc::unavailable, fmt::format("agent class \"{}\" is not loaded",
                                                a->options.class_name)};
  auto waiting = a->waiting();
  bool full = waiting >= a->options.depth_max || slots_.size() >= setup_.options.depth_max
              || setup_.log.full() || stashed_.size() >= stash_max;
  if (!full)
    return std::nullopt;
  auto why = error{errc::overloaded, fmt::format("{} invocations of \"{}\" wait (depth_max)",
                                                 waiting, a->options.name)};
  why.retry_after = retry_after(*a);
  return why;
}

// Depth over the drain rate measured since the last look; between 1 s and 60 s.
std::chrono::milliseconds dispatcher::retry_after(const agent_state& a) const {
  auto seconds = std::chrono::duration<double>(setup_.env.clock.steady() - counting_since_).count();
  auto rate = seconds > 0 ? static_cast<double>(ended_count_) / seconds : 0.0;
  auto wait = rate > 0 ? static_cast<double>(a.waiting()) / rate : 60.0;
  return std::chrono::seconds{static_cast<long>(std::clamp(std::ceil(wait), 1.0, 60.0))};
}

void dispatcher::look_up(invoke_request r, std::uint64_t hash, waiter w,
                         std::optional<child_requested> c) {
  if (r.idempotency_key.empty()) {
    accept(std::move(r), 0, std::move(w), std::move(c));
    return;
  }
  if (hash == 0) {
    auto same = canonical(r.input);
    if (!same) {
      auto why = error{errc::invalid_input, "input: " + same.error().message};
      if (c)
        report_child(*c, std::move(why));
      else
        refuse_waiter(w, std::move(why));
      return;
    }
    // 63 bits: the store keeps it as a signed integer. Never 0, which means "none".
    hash = (short_hash(*same) >> 1U) | 1U;
  }
  auto key = std::pair{r.agent, r.idempotency_key};
  if (auto i = keys_.find(key); i != keys_.end()) {
    join(i->second, hash, w, c);
    return;
  }
  if (c && c->fresh) { // its address is new, so nobody can have used its key
    accept(std::move(r), hash, std::move(w), std::move(c));
    return;
  }
  if (looking_.contains(key)) {
    stashed_.push_back([this, r = std::move(r), hash, w, c](const error* why) mutable {
      if (why == nullptr)
        look_up(std::move(r), hash, std::move(w), std::move(c));
      else if (!c)
        refuse_waiter(w, *why);
    });
    return;
  }
  looking_.insert(key);
  auto incarnation = incarnation_;
  request(setup_.reader, std::chrono::seconds{30}, find_record{0, r.agent, r.idempotency_key})
    .then(
      [=, this](found_record& found) mutable {
        looking_.erase(key);
        auto full = c ? std::nullopt : refuse(&agents_.find(r.agent)->second, false);
        if (incarnation == incarnation_ && found.what && !*found.what && full)
          refuse_waiter(w, std::move(*full));
        else if (incarnation == incarnation_ && found.what && !*found.what)
          accept(std::move(r), hash, std::move(w), std::move(c));
        else if (incarnation == incarnation_ && found.what && join((*found.what)->no, hash, w, c))
          ;
        else if (incarnation == incarnation_ && found.what && (*found.what)->input_hash == hash)
          answer_from_journal(**found.what, std::move(w), std::move(c));
        else {
          auto why = !found.what ? found.what.error()
                     : incarnation != incarnation_
                       ? error{errc::store_failed, "the store failed meanwhile"}
                       : error{errc::conflict,
                               "this idempotency key came before, with another input"};
          if (c)
            report_child(*c, std::move(why));
          else
            refuse_waiter(w, std::move(why));
        }
        if (!recovering_)
          unstash();
      },
      [=, this](const caf::error&) mutable {
        looking_.erase(key);
        auto why = error{errc::unavailable, "the store's reader does not answer"};
        if (c)
          report_child(*c, std::move(why));
        else
          refuse_waiter(w, std::move(why));
        if (!recovering_)
          unstash();
      });
}

bool dispatcher::join(invocation_no no, std::uint64_t hash, waiter& w,
                        const std::optional<child_requested>& c) {
  auto* s = find(no);
  if (s == nullptr)
    return false;
  if (s->input_hash != hash) {
    auto why = error{errc::conflict, "this idempotency key came before, with another input"};
    if (c)
      report_child(*c, std::move(why));
    else
      refuse_waiter(w, std::move(why));
    return true;
  }
  if (c) {
    s->parent_waits = c->waits;
    s->parent_generation = c->generation;
    if (c->waits)
      adopt_child(c->parent, no);
    if (!c->waits)
      report_child(*c, to_json(id_of(no)));
    else if (s->more && s->more->ending)
      report_child(*c, s->more->ending->value);
    return true;
  }
  w.attached = true;
  more(*s).waiters.push_back(std::move(w));
  if (s->accepted_at <= setup_.log.durable_lsn())
    tell_accepted(*s);
  return true;
}

void dispatcher::answer_from_journal(const store::record& found, waiter w,
                                     std::optional<child_requested> c) {
  request(setup_.reader, std::chrono::seconds{60}, load_history{found.no, {}, {}})
    .then(
      [this, found, w, c](history& h) mutable {
        if (!h.rows) {
          if (c)
            report_child(*c, h.rows.error());
          else
            refuse_waiter(w, h.rows.error());
          return;
        }
        journal::replay r{std::move(*h.rows)};
        outcome how{found.state, error{errc::unavailable, "its agent is not in this topology"}};
        if (r.end() && r.end()->ok)
          how.value = r.end()->value.text;
        else if (r.end())
          how.value = r.end()->failure;
        if (!how.value && how.state == store::status::completed)
          how.state = store::status::failed; // asked for by its id alone: nobody knew
        if (c) {
          report_child(*c, c->waits ? std::move(how.value)
                                    : result<std::string>{to_json(id_of(found.no))});
        } else if (w.observer) {
          w.observer->on_accepted(id_of(found.no), true);
          w.observer->on_ended(id_of(found.no), how);
        } else {
          w.promise.deliver(invocation_reply{id_of(found.no), how.state, true, how.value});
        }
      },
      [this, w, c](const caf::error&) mutable {
        auto why = error{errc::unavailable, "the store's reader does not answer"};
        if (c)
          report_child(*c, std::move(why));
        else
          refuse_waiter(w, std::move(why));
      });
}

void dispatcher::accept(invoke_request r, std::uint64_t hash, waiter w,
                        std::optional<child_requested> c) {
  auto& agent = agents_.find(r.agent)->second;
  const auto* cls = find_agent(agent.options.class_name);
  auto fail = [&](error why) {
    if (c)
      report_child(*c, std::move(why));
    else
      refuse_waiter(w, std::move(why));
  };
  if (cls == nullptr)
    return fail(error{errc::unavailable, fmt::format("agent class \"{}\" is not loaded",
                                                     agent.options.class_name)});
  if (auto fits = cls->accepts(r.input); !fits)
    return fail(fits.error());
  auto key = key_of(agent, r.input);
  if (!key)
    return fail(key.error());
  if (c && c->waits && !key->empty() && holds_own_key(*c, *key))
    return fail(error{errc::deadlock,
                      fmt::format("\"{}\" is invoked for key \"{}\" by an invocation that holds "
                                  "this key",
                                  r.agent, *key)});
  auto now = setup_.env.clock.now();
  auto no = ++last_no_;
  slot s;
  s.no = no;
  s.agent = &agent;
  s.key = std::move(*key);
  s.idempotency_key = r.idempotency_key;
  s.input_hash = hash;
  s.deadline = r.deadline;
  if (agent.options.deadline.count() > 0)
    s.deadline = std::min(s.deadline, utc_time{now + agent.options.deadline});
  if (c) {
    s.parent = c->parent;
    s.parent_at = c->at;
    s.parent_generation = c->generation;
    s.parent_waits = c->waits;
  }
  auto begun = std::make_shared<journal::started>();
  begun->agent = r.agent;
  begun->version = cls->version;
  begun->created = now;
  begun->deadline = s.deadline;
  begun->traceparent = std::move(r.traceparent);
  store::unit u;
  u.invocation = no;
  store::record record;
  record.no = no;
  record.agent = r.agent;
  record.key = s.key;
  record.idempotency_key = s.idempotency_key;
  record.input_hash = hash;
  // One with a key is `running` once it has it: at a restart those come first.
  record.state = s.key.empty() ? store::status::running : store::status::queued;
  record.created = record.updated = now;
  record.deadline = s.deadline;
  record.parent = s.parent;
  if (c)
    record.parent_effect = fmt::format("{}|{}|{}", s.parent_at.path, s.parent_at.seq,
                                       s.parent_waits ? s.parent_generation + 1 : 0);
  u.created = std::move(record);
  journal::row_writer row;
  if (r.input.size() > setup_.invocations.inline_max) {
    begun->input.stored = true;
    begun->input.hash = sha256(r.input);
    u.blobs.push_back({begun->input.hash, r.input, false});
    u.references.push_back(begun->input.hash);
    row.add(journal::entry{*begun});
  } else {
    begun->input.text = r.input;
    row.add(journal::entry{*begun});
  }
  begun->input.text = std::move(r.input);
  u.row = row.take(no, journal::outside, journal::outside);
  auto at = append(std::move(u));
  if (at == 0)
    return fail(error{errc::store_failed, setup_.log.why().message});
  s.accepted_at = s.last_row = at;
  if (!s.idempotency_key.empty())
    keys_[{r.agent, s.idempotency_key}] = no;
  if (s.deadline != never)
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), no | deadline_bit, s.deadline});
  ++agent.open;
  auto& kept = slots_.emplace(no, std::move(s)).first->second;
  more(kept).fresh = std::move(begun);
  if (c && !c->waits)
    report_child(*c, to_json(id_of(no)));
  if (c && c->waits)
    adopt_child(c->parent, no);
  if (!c)
    more(kept).waiters.push_back(std::move(w));
  admit(kept);
}

result<std::string> dispatcher::key_of(const agent_state& a, std::string_view input) const {
  if (a.options.key.empty())
    return std::string{};
  boost::json::error_code failed;
  auto json = boost::json::parse(boost::json::string_view{input.data(), input.size()}, failed);
  const auto* object = failed ? nullptr : json.if_object();
  const auto* field = object == nullptr ? nullptr : object->if_contains(a.options.key);
  if (field != nullptr && field->is_string() && !field->get_string().empty())
    return std::string{field->get_string()};
  if (field != nullptr && field->is_number())
    return boost::json::serialize(*field);
  return error{errc::invalid_input,
               fmt::format("input: /{}: the key of agent \"{}\" must be a string or a number",
                           a.options.key, a.options.name)};
}

bool dispatcher::holds_own_key(const child_requested& c, const std::string& key) const {
  for (auto no = c.parent; no != 0;) {
    auto i = slots_.find(no);
    if (i == slots_.end())
      return false;
    const auto& s = i->second;
    if (s.key == key && !s.keyless && s.agent->options.name == c.agent)
      return true;
    no = s.parent_waits ? s.parent : 0;
  }
  return false;
}

void dispatcher::refuse_waiter(waiter& w, error why) {
  if (w.observer)
    w.observer->on_refused(why);
  else if (w.promise.pending())
    w.promise.deliver(invocation_reply{{}, store::status::failed, false, std::move(why)});
}

void dispatcher::report_child(const child_requested& c, result<std::string> value) {
  auto* parent = find(c.parent);
  if (parent == nullptr)
    return;
  if (parent->actor)
    tell(*parent, child_reported{c.at, c.generation, c.key, std::move(value)});
  else
    wake(*parent); // it asks again when it has replayed
}

void dispatcher::tell_parent(const slot& s, const result<std::string>& value) {
  if (s.parent == 0 || !s.parent_waits)
    return;
  auto* parent = find(s.parent);
  if (parent == nullptr)
    return;
  if (parent->actor)
    tell(*parent, child_reported{s.parent_at, s.parent_generation, s.idempotency_key, value});
  else
    wake(*parent);
}

void dispatcher::adopt_child(invocation_no parent, invocation_no child) {
  if (auto* p = find(parent))
    more(*p).children.push_back(child);
}

// -- running -------------------------------------------------------------------------------------

void dispatcher::admit(slot& s) {
  if (!s.key.empty()) {
    stand_in_line(s);
    if (s.agent->keys[s.key].front() != s.no)
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

void dispatcher::take_key(slot& s) {
  auto& a = *s.agent;
  if (s.actor || s.queued || s.ended_at != 0 || wait_for_rows(s))
    return;
  auto limit = a.options.concurrency == 0 ? concurrency_limit : a.options.concurrency;
  if (!s.admitted && a.live >= limit) {
    s.queued = true;
    a.queue.push_back(s.no);
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
  else if (line.front() == s.no)
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
  drop_actor(*s);
  s->state = e.how.state;
  // Messages between agents of one process are not outputs: the parent may know before it is
  // durable, since whatever it does then is gated behind it.
  tell_parent(*s, e.how.value);
  more(*s).ending = std::move(e.how);
  s->ended_at = e.at == 0 ? 1 : e.at;
  ++ending_;
  if (setup_.log.durable_lsn() >= s->ended_at)
    close(*s);
}

void dispatcher::drop_actor(slot& s) {
  s.actor = nullptr;
  if (std::exchange(s.admitted, false)) {
    --s.agent->live;
    next_in_line(*s.agent);
  }
}

void dispatcher::next_in_line(agent_state& a) {
  auto limit = a.options.concurrency == 0 ? concurrency_limit : a.options.concurrency;
  while (!a.queue.empty() && a.live < limit) {
    auto no = a.queue.front();
    a.queue.pop_front();
    if (auto* s = find(no)) {
      s->queued = false;
      take_key(*s);
    }
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
  if (line.front() == s->no)
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
  bool go = p.received == s->sent;
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
  } else if (id == drain_timer) {
    std::uint64_t left = 0;
    for (auto& [_, a] : agents_)
      left += a.live;
    for (auto& p : std::exchange(drain_waiters_, {}))
      p.deliver(drained{left});
  } else if (auto later = unsettled_.extract(id)) {
    settle(later.mapped());
  } else if (auto* s = find(id & ~(deadline_bit | respawn_bit)); s != nullptr) {
    if ((id & deadline_bit) != 0)
      cancel(*s, journal::cancel_reason::deadline, nullptr);
    else if ((id & respawn_bit) != 0)
      wake(*s);
    else if (s->state == store::status::suspended || s->state == store::status::parked)
      wake(*s);
  }
}

// -- small things --------------------------------------------------------------------------------

lsn dispatcher::append(store::unit u) {
  return setup_.log.append(std::move(u), caf::actor_cast<caf::actor>(this), incarnation_,
                           context());
}

dispatcher::extras& dispatcher::more(slot& s) {
  if (!s.more)
    s.more = std::make_unique<extras>();
  return *s.more;
}

dispatcher::slot* dispatcher::find(invocation_no no) {
  auto i = slots_.find(no);
  return i == slots_.end() ? nullptr : &i->second;
}

dispatcher::slot* dispatcher::find_id(std::string_view id) {
  auto no = store::invocation_number(setup_.log.store().tag(), id);
  return no ? find(*no) : nullptr;
}

std::string dispatcher::id_of(invocation_no no) const {
  return store::invocation_id(setup_.log.store().tag(), no);
}

void dispatcher::progress(slot& s) {
  if (!s.more)
    return;
  for (auto& w : s.more->waiters)
    if (w.observer)
      w.observer->on_progress();
}

bool dispatcher::stuck(const slot& s) const {
  using store::status;
  if (s.actor || s.admitted || s.ended_at != 0)
    return false;
  if (s.state == status::suspended) // without a timer it waits for a signal
    return s.wake_at == never;
  if (s.state != status::queued)
    return s.state != status::running;
  if (s.key.empty())
    return false;
  auto line = s.agent->keys.find(s.key);
  if (line == s.agent->keys.end() || line->second.front() == s.no)
    return false;
  auto first = slots_.find(line->second.front());
  return first != slots_.end() && stuck(first->second);
}

std::uint64_t dispatcher::count_stuck() const {
  return static_cast<std::uint64_t>(
    std::count_if(slots_.begin(), slots_.end(), [this](const auto& s) { return stuck(s.second); }));
}

void dispatcher::check_idle() {
  if (recovering_ || !to_take_up_.empty())
    return;
  std::uint64_t live = 0;
  for (auto& [_, a] : agents_)
    live += a.live;
  if (live == 0 && ending_ == 0) // ends that are not durable yet would be told to nobody
    for (auto& p : std::exchange(drain_waiters_, {}))
      p.deliver(drained{0});
  if (live != 0 || idle_waiters_.empty())
    return;
  auto waiting = count_stuck();
  if (waiting == slots_.size())
    for (auto& p : std::exchange(idle_waiters_, {}))
      p.deliver(idle{waiting});
}

} // namespace troupe
