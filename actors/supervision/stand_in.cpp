#include "actors/supervision/stand_in.hpp"

#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/planted.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>

#include <algorithm>
#include <deque>
#include <utility>
#include <variant>

namespace troupe {
namespace {

/// A caller that was refused should stay away as long as a restart usually takes.
constexpr std::chrono::milliseconds come_back{1'000};

class stand_in final : public caf::event_based_actor {
public:
  stand_in(caf::actor_config& cfg, const environment& env, std::uint32_t mail_max)
    : caf::event_based_actor(cfg), env_(env), mail_max_(mail_max) {}

  const char* name() const override { return "stand_in"; }

  void on_exit() override {
    for (auto& m : std::exchange(mail_, {}))
      refuse(m, error{errc::unavailable, "the service is down and stays down"});
    successor_ = nullptr;
  }

protected:
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    return {
      [this](call_request& r) { take(std::move(r)); },
      [this](reconcile_request& r) { take(std::move(r)); },
      [this](const call_cancel& c) { on_cancel(c); },
      [this](relieve_stand_in& r) { on_relieved(std::move(r.successor)); },
      [this](hold_mail) { successor_ = nullptr; },
    };
  }

private:
  struct mail {
    caf::response_promise promise;
    std::variant<call_request, reconcile_request> request;
  };

  template <class Request>
  void take(Request&& r) {
    mail m{make_response_promise(), std::forward<Request>(r)};
    if (successor_)
      hand_over(m);
    else if (std::holds_alternative<call_request>(m.request) && mail_.size() >= mail_max_)
      refuse(m, error{errc::overloaded, "the service is down and its mail is full"});
    else
      mail_.push_back(std::move(m));
  }

  void on_cancel(const call_cancel& c) {
    if (successor_) {
      send(successor_, c);
      return;
    }
    auto i = std::find_if(mail_.begin(), mail_.end(), [&](const mail& m) {
      const auto* call = std::get_if<call_request>(&m.request);
      return call != nullptr && call->id == c.id;
    });
    if (i == mail_.end())
      return;
    refuse(*i, error{errc::cancelled, "cancelled before it was sent"});
    mail_.erase(i);
  }

  void on_relieved(caf::actor successor) {
    successor_ = std::move(successor);
    if (planted(planted_bug::mail_left_at_restart))
      return;
    for (auto& m : std::exchange(mail_, {}))
      hand_over(m);
  }

  void hand_over(mail& m) {
    const auto* call = std::get_if<call_request>(&m.request);
    if (call != nullptr && call->deadline <= env_.clock.now()) {
      refuse(m, error{errc::deadline_exceeded, "the deadline passed while the service was down"});
      return;
    }
    std::visit([&](auto& r) { m.promise.delegate(successor_, std::move(r)); }, m.request);
  }

  static void refuse(mail& m, error why) {
    if (std::holds_alternative<reconcile_request>(m.request)) {
      reconcile_reply reply;
      reply.body = std::move(why.message);
      m.promise.deliver(std::move(reply));
      return;
    }
    if (why.code == errc::overloaded)
      why.retry_after = come_back;
    call_reply reply;
    reply.outcome = std::move(why);
    reply.attempts = 0;
    m.promise.deliver(std::move(reply));
  }

  const environment& env_;
  std::uint32_t mail_max_;
  std::deque<mail> mail_;
  caf::actor successor_;
};

} // namespace

caf::actor spawn_stand_in(caf::actor_system& system, const environment& env,
                          std::uint32_t mail_max) {
  return system.spawn<stand_in>(env, mail_max);
}

} // namespace troupe
