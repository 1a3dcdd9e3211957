#include "actors/supervision/supervisor.hpp"

#include "actors/supervision/supervisor_actor.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

bool is_normal(const caf::error& reason) {
  return !reason || reason == caf::exit_reason::user_shutdown;
}

} // namespace

supervisor_actor::supervisor_actor(caf::actor_config& cfg, supervisor_setup setup,
                                   result<void>* started)
  : caf::event_based_actor(cfg),
    env_(setup.env),
    options_(std::move(setup.options)),
    timer_(std::move(setup.timer)),
    on_give_up_(std::move(setup.on_give_up)),
    window_(options_.intensity, options_.period) {
  for (auto& spec : setup.children)
    children_.emplace_back(std::move(spec));
  *started = start_range(0, children_.size());
}

caf::behavior supervisor_actor::make_behavior() {
  set_default_handler(caf::drop);
  set_down_handler([this](caf::down_msg& d) { on_down(d); });
  set_exit_handler([this](caf::exit_msg& e) { on_exit_asked(e.reason); });
  return {
    [this](const timer_fired& t) { wake(t.id, false); },
    [this](save_checkpoint& s) { on_checkpoint(s); },
  };
}

void supervisor_actor::on_exit() {
  waits_.clear();
  scope_.clear();
  for (auto i = children_.rbegin(); i != children_.rend(); ++i) {
    if (i->handle)
      send_exit(i->handle, caf::exit_reason::kill);
    if (i->stand_in)
      send_exit(i->stand_in, caf::exit_reason::user_shutdown);
  }
  children_.clear();
  send(timer_, disarm_timers{address()});
  timer_ = nullptr;
  myself_ = nullptr;
}

// -- handlers ------------------------------------------------------------------------------------

void supervisor_actor::on_down(const caf::down_msg& d) {
  auto i = std::find_if(children_.begin(), children_.end(),
                        [&](const child& c) { return c.handle && c.handle == d.source; });
  if (i == children_.end())
    return;
  auto& c = *i;
  auto at = static_cast<std::size_t>(i - children_.begin());
  c.handle = nullptr;
  auto expected = std::exchange(c.stopping, false);
  std::vector<std::uint64_t> woken;
  for (auto& [id, w] : waits_)
    if (w->child == at)
      woken.push_back(id);
  for (auto id : woken)
    wake(id, true);
  if (!expected && !stopping_)
    on_death(at, d.reason);
}

void supervisor_actor::on_death(std::size_t at, const caf::error& reason) {
  auto& c = children_[at];
  auto lived = env_.clock.steady() - c.started;
  c.checkpoints.died(lived < checkpoint_proven_after);
  if (lived >= options_.backoff.reset_after)
    c.step = 0;
  auto why = is_normal(reason) ? std::string{"normal"} : home_system().render(reason);
  auto policy = c.spec.options.restart;
  auto again = policy == restart_policy::permanent
               || (policy == restart_policy::transient && !is_normal(reason));
  if (!again) {
    on_ended(at, std::move(why));
    return;
  }
  auto first = options_.strategy == restart_strategy::one_for_all ? 0 : at;
  auto last = options_.strategy == restart_strategy::one_for_one ? at + 1 : children_.size();
  if (!count_restart(at, why))
    return;
  scope_.spawn(recover(first, last, at, std::move(why)));
}

/// A child is gone for good.
void supervisor_actor::on_ended(std::size_t at, std::string why) {
  auto& c = children_[at];
  c.ended = true;
  if (c.stand_in)
    send_exit(std::exchange(c.stand_in, nullptr), caf::exit_reason::user_shutdown);
  report(level::info, "supervisor.child_ended", c, std::move(why));
  if (c.spec.significant)
    on_exit_asked(caf::make_error(caf::exit_reason::user_shutdown));
}

void supervisor_actor::on_exit_asked(const caf::error& reason) {
  if (stopping_)
    return;
  stopping_ = true;
  myself_ = caf::actor_cast<caf::actor>(this);
  scope_.spawn(stop_all(reason));
}

void supervisor_actor::on_checkpoint(save_checkpoint& s) {
  auto i = std::find_if(children_.begin(), children_.end(),
                        [&](const child& c) { return c.spec.options.id == s.id; });
  if (i == children_.end())
    return;
  if (s.state.size() <= checkpoint_size_max) {
    i->checkpoints.save(std::move(s.state));
    return;
  }
  report(level::error, "supervisor.checkpoint_refused", *i,
         fmt::format("{} bytes; checkpoint_size_max is {}", s.state.size(), checkpoint_size_max));
  if (i->handle)
    send_exit(i->handle, caf::exit_reason::unknown);
}

// -- restarts ------------------------------------------------------------------------------------

/// False when it was one too many; then it has given up.
bool supervisor_actor::count_restart(std::size_t at, const std::string& why) {
  if (window_.count(env_.clock.steady()))
    return true;
  gave_up_ = error{errc::unavailable,
                   fmt::format("supervisor '{}' gave up: '{}' died ({}); more than {} restarts "
                               "within {} ms",
                               options_.name, children_[at].spec.options.id, why,
                               options_.intensity, options_.period.count())};
  report(level::error, "supervisor.gave_up", children_[at], why);
  stopping_ = true;
  myself_ = caf::actor_cast<caf::actor>(this);
  scope_.spawn(stop_all(caf::make_error(caf::exit_reason::out_of_workers)));
  return false;
}

/// Stops what still lives of [first, last), waits, and starts it all again.
async<void> supervisor_actor::recover(std::size_t first, std::size_t last, std::size_t cause,
                                      std::string why) {
  auto token = ++last_recovery_;
  for (auto i = first; i < last; ++i) {
    children_[i].recovery = token;
    if (children_[i].spec.options.restart == restart_policy::temporary)
      children_[i].ended = true; // goes down with the others, and does not come back
    hold_mail_of(children_[i]);
  }
  auto overtaken = [&] { return stopping_ || children_[first].recovery != token; };
  for (;;) {
    co_await stop_range(first, last);
    if (overtaken())
      co_return;
    auto delay = restart_delay(options_.backoff, children_[cause].step++, env_.random);
    co_await wait_for(none, delay);
    if (overtaken())
      co_return;
    auto from = children_[cause].checkpoints.describe();
    auto started = start_range(first, last);
    report(started ? level::warning : level::error, "supervisor.restart", children_[cause],
           started ? why : started.error().message, delay, from);
    if (started)
      co_return;
    why = started.error().message;
    if (!count_restart(cause, why))
      co_return;
  }
}

result<void> supervisor_actor::start_range(std::size_t first, std::size_t last) {
  for (auto i = first; i < last; ++i)
    if (!children_[i].ended && !children_[i].handle)
      if (auto started = start(children_[i]); !started)
        return started;
  return {};
}

result<void> supervisor_actor::start(child& c) {
  const auto& id = c.spec.options.id;
  child_start with{caf::actor_cast<caf::actor>(this), id, c.checkpoints.next()};
  c.checkpoints.started(); // even if it fails: what the one before saved is not its fault
  result<caf::actor> started;
  try {
    started = c.spec.start(with);
  } catch (const std::exception& e) {
    started = error{errc::internal, e.what()};
  }
  if (!started) {
    c.checkpoints.died(true);
    auto why = std::move(started).error();
    why.message = fmt::format("'{}' cannot be started: {}", id, why.message);
    return why;
  }
  c.handle = std::move(*started);
  c.started = env_.clock.steady();
  monitor(c.handle);
  if (!c.spec.service.empty())
    env_.services.put(c.spec.service, c.handle, c.spec.info);
  if (c.stand_in)
    send(c.stand_in, relieve_stand_in{c.handle});
  return {};
}

void supervisor_actor::hold_mail_of(child& c) {
  if (c.spec.service.empty() || c.ended)
    return;
  if (c.stand_in)
    send(c.stand_in, hold_mail{});
  else
    c.stand_in = spawn_stand_in(home_system(), env_, options_.mail_max);
  env_.services.put(c.spec.service, c.stand_in, c.spec.info);
}

// -- stops ---------------------------------------------------------------------------------------

async<void> supervisor_actor::stop_all(caf::error reason) {
  co_await stop_range(0, children_.size());
  if (gave_up_ && on_give_up_)
    on_give_up_(*gave_up_);
  quit(std::move(reason));
}

async<void> supervisor_actor::stop_range(std::size_t first, std::size_t last) {
  for (auto i = last; i > first; --i)
    co_await stop(i - 1);
}

async<void> supervisor_actor::stop(std::size_t at) {
  auto patience = children_[at].spec.options.shutdown;
  if (!children_[at].handle)
    co_return;
  children_[at].stopping = true;
  if (patience > milliseconds{0}) {
    send_exit(children_[at].handle, caf::exit_reason::user_shutdown);
    auto down = co_await wait_for(at, patience);
    if (down)
      co_return;
  }
  send_exit(children_[at].handle, caf::exit_reason::kill);
  auto down = co_await wait_for(at, kill_patience);
  if (down)
    co_return;
  report(level::error, "supervisor.child_stuck", children_[at], "it does not die");
  demonitor(children_[at].handle);
  children_[at].handle = nullptr;
  children_[at].stopping = false;
}

void supervisor_actor::wake(std::uint64_t id, bool down) {
  auto i = waits_.find(id);
  if (i == waits_.end())
    return;
  auto* w = i->second;
  waits_.erase(i);
  w->down = down;
  scope_.resume(w->chain);
}

void supervisor_actor::begin_wait(waiter& w) {
  auto id = ++last_wait_;
  waits_[id] = &w;
  send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), id, env_.clock.now() + w.time});
}

void supervisor_actor::report(level l, std::string_view name, const child& c, std::string why,
                              std::optional<milliseconds> delay, std::string checkpoint) const {
  event e;
  e.lvl = l;
  e.name = name;
  e.service = c.spec.service;
  e.fields.emplace_back("supervisor", to_json(options_.name));
  e.fields.emplace_back("child", to_json(c.spec.options.id));
  e.fields.emplace_back("why", to_json(why));
  if (delay) {
    e.fields.emplace_back("delay_ms", to_json(delay->count()));
    e.fields.emplace_back("checkpoint", to_json(checkpoint));
    e.fields.emplace_back("restarts", to_json(window_.size()));
  }
  env_.events.write(e);
}

result<caf::actor> spawn_supervisor(caf::actor_system& system, supervisor_setup setup) {
  result<void> started;
  caf::actor handle = system.spawn<supervisor_actor>(std::move(setup), &started);
  if (started)
    return handle;
  caf::anon_send_exit(handle, caf::exit_reason::kill);
  return std::move(started).error();
}

} // namespace troupe
