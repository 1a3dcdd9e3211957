#include "actors/guard/limiter_actor.hpp"

#include "actors/guard/bounded_actor.hpp"
#include "runtime/core/messages.hpp"

#include <caf/actor_system.hpp>

namespace troupe {
namespace {

class limiter_actor final : public bounded_actor {
public:
  limiter_actor(caf::actor_config& cfg, caf::actor timer, std::shared_ptr<limiter> state)
    : bounded_actor(cfg, limiter_mailbox_max), timer_(std::move(timer)),
      state_(std::move(state)) {}

  const char* name() const override { return "limiter"; }

  void on_exit() override {
    send(timer_, disarm_timers{address()});
    timer_ = nullptr;
  }

protected:
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    state_->observe(address());
    look(); // what has come while nobody was here
    return {
      [this](limiter_look) { look(); },
      [this](const timer_fired&) {
        armed_for_ = never;
        look();
      },
      [this](limiter_query) { return state_->info(); },
    };
  }

private:
  void look() {
    auto next = state_->look();
    if (next == never || next >= armed_for_)
      return;
    armed_for_ = next;
    send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), 1, next});
  }

  caf::actor timer_;
  std::shared_ptr<limiter> state_;
  utc_time armed_for_ = never;
};

} // namespace

caf::actor spawn_limiter(caf::actor_system& system, caf::actor timer,
                         std::shared_ptr<limiter> state) {
  return system.spawn<limiter_actor>(std::move(timer), std::move(state));
}

child_spec limiter_child(caf::actor_system& system, caf::actor timer, const std::string& id,
                         std::string service, std::shared_ptr<limiter> state) {
  child_spec spec;
  spec.options.id = "limiters." + id;
  spec.service = std::move(service);
  spec.start = [&system, timer = std::move(timer),
                state = std::move(state)](const child_start&) {
    return result<caf::actor>{spawn_limiter(system, timer, state)};
  };
  return spec;
}

} // namespace troupe
