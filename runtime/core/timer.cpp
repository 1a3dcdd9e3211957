#include "runtime/core/timer.hpp"

#include "runtime/core/messages.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/core/timer_queue.hpp"

#include <caf/event_based_actor.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

/// To itself: look at the clock. All but the latest are void.
struct look {
  std::uint64_t no = 0;
};

} // namespace
} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::look)

namespace troupe {
namespace {

class timer_actor final : public caf::event_based_actor {
public:
  timer_actor(caf::actor_config& cfg, const time_source& clock, event_sink& events,
              timer_options options)
    : caf::event_based_actor(cfg), clock_(clock), events_(events), options_(options) {}

  const char* name() const override { return "timer"; }

  // Those that are armed here hold a handle on this actor in turn.
  void on_exit() override { queue_ = {}; }

protected:
  caf::behavior make_behavior() override {
    return {
      [this](const arm_timer& a) { on_arm(a); },
      [this](const disarm_timers& d) { queue_.disarm(d.who.id()); },
      [this](look l) { on_look(l.no); },
    };
  }

private:
  void on_arm(const arm_timer& a) {
    if (!a.who)
      return;
    auto who = a.who.id();
    if (a.due == never) {
      queue_.disarm(who, a.id);
    } else if (a.due <= clock_.now()) {
      queue_.disarm(who, a.id);
      send(a.who, timer_fired{a.id});
    } else if (queue_.size() >= options_.timers_max && !queue_.armed(who, a.id)) {
      refuse(a.who);
    } else {
      queue_.arm(who, a.who, a.id, a.due);
      sleep();
    }
  }

  void on_look(std::uint64_t no) {
    if (no != look_no_)
      return;
    pending_ = false;
    auto now = clock_.now();
    while (auto next = queue_.pop(now))
      send(next->who, timer_fired{next->id});
    if (!planted(planted_bug::wakeup_lost))
      sleep();
  }

  /// Keeps one look on its way, towards the earliest timer.
  void sleep() {
    auto due = queue_.earliest();
    if (due == never)
      return;
    std::chrono::microseconds longest = options_.look_every;
    auto left = std::clamp(due - clock_.now(), std::chrono::microseconds{0}, longest);
    auto at = clock_.steady() + left;
    if (pending_ && look_at_ <= at)
      return;
    pending_ = true;
    look_at_ = at;
    delayed_send(this, left, look{++look_no_});
  }

  void refuse(const caf::actor& who) {
    event e;
    e.lvl = level::error;
    e.name = "timer.full";
    e.result = to_string(errc::overloaded);
    e.fields.emplace_back("timers_max", fmt::to_string(options_.timers_max));
    events_.write(e);
    send_exit(who, caf::exit_reason::out_of_workers);
  }

  const time_source& clock_;
  event_sink& events_;
  timer_options options_;
  timer_queue<caf::actor> queue_;
  std::uint64_t look_no_ = 0;
  steady_time look_at_{};
  bool pending_ = false;
};

} // namespace

caf::actor spawn_timer(caf::actor_system& system, const time_source& clock, event_sink& events,
                       timer_options options) {
  return system.spawn<timer_actor>(clock, events, options);
}

} // namespace troupe
