#include "actors/guard/call_waits.hpp"

#include "runtime/core/messages.hpp"
#include "runtime/core/planted.hpp"

#include <caf/event_based_actor.hpp>

namespace troupe {

bool call_waits::waiter::await_ready() const {
  call_.woken_ = call_.cancelled ? wake::cancelled : wake::due;
  return call_.cancelled || until_ <= on_.clock_.now();
}

void call_waits::suspend(waiting_call& c, std::uint64_t chain, utc_time until) {
  c.waits_ = true;
  c.chain_ = chain;
  set_due(c, until);
}

void call_waits::wake_up(waiting_call& c, wake why) {
  if (!std::exchange(c.waits_, false))
    return;
  set_due(c, never);
  c.woken_ = why;
  coroutines_.resume(std::exchange(c.chain_, 0));
}

void call_waits::put_off(waiting_call& c, utc_time until) {
  if (c.waits_)
    set_due(c, until);
}

void call_waits::on_timer() {
  if (!planted(planted_bug::pause_timer_lost))
    armed_for_ = never;
  auto now = clock_.now();
  while (!dues_.empty() && dues_.begin()->first.first <= now)
    wake_up(*dues_.begin()->second, wake::due);
  arm();
}

void call_waits::stop() {
  dues_.clear();
  self_.send(timer_, disarm_timers{self_.address()});
  timer_ = nullptr;
}

void call_waits::set_due(waiting_call& c, utc_time until) {
  if (c.due_ != never)
    dues_.erase({c.due_, c.no});
  c.due_ = until;
  if (until == never)
    return;
  dues_.emplace(std::pair{until, c.no}, &c);
  arm();
}

// One timer towards the earliest: one for each wait would leave one behind in the timer's heap for
// each call that was answered in time.
void call_waits::arm() {
  if (dues_.empty() || dues_.begin()->first.first >= armed_for_)
    return;
  armed_for_ = dues_.begin()->first.first;
  self_.send(timer_, arm_timer{caf::actor_cast<caf::actor>(&self_), timer_id, armed_for_});
}

} // namespace troupe
