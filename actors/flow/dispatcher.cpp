#include "actors/flow/dispatcher.hpp"

#include "actors/guard/ledger.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// Invoke requests in the mailbox. Above it the sender is refused on its own thread: the dispatcher
// handles some 100,000 a second, so more than this could not be answered in good time anyway.
constexpr std::size_t mail_max = 100'000;

} // namespace

dispatcher::dispatcher(caf::actor_config& cfg, dispatcher_setup setup)
  : caf::event_based_actor(cfg), setup_(std::move(setup)) {
  for (auto& a : setup_.agents) {
    if (a.class_name.empty())
      a.class_name = a.name;
    agents_[a.name].options = a;
  }
  setup_.invocations.deaths_max = setup_.options.deaths_max;
  ledger_ = system().spawn<ledger>(setup_.env, setup_.log, setup_.reader, setup_.timer);
  world_ = std::shared_ptr<invocation_world>(
    new invocation_world{setup_.env, setup_.log, setup_.reader, setup_.timer,
                         caf::actor_cast<caf::actor>(this), ledger_, setup_.invocations});
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
  for (auto& [_, p] : std::exchange(letter_replies_, {}))
    p.deliver(command_reply{why});
  setup_.log.observe(nullptr);
  send_exit(ledger_, caf::exit_reason::user_shutdown);
  ledger_ = nullptr;
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
  setup_.env.services.put(std::string{dead_letter_office}, caf::actor_cast<caf::actor>(this), {});
  recover();
  tell_services();
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
    [this](file_letter& f) { on_file_letter(f); },
    [this](letter_request& r) { when_recovered(r, &dispatcher::on_letter); },
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

const dispatcher::slot* dispatcher::find(invocation_no no) const {
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
  // Requests whose key is being looked up are work, too.
  if (recovering_ || !to_take_up_.empty() || !looking_.empty() || !stashed_.empty())
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
