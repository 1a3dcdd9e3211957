// The actors that stand for the outside of a stage.

#include "tests/kit/stage_parts.hpp"

#include <caf/event_based_actor.hpp>

#include <fmt/format.h>

namespace troupe::kit {
namespace {

struct answer_later {
  caf::response_promise to;
  call_reply reply;
};

} // namespace
} // namespace troupe::kit

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::answer_later)

namespace troupe::kit {
namespace {

/// A service that does what its script says and remembers what was done to it.
class service_actor final : public caf::event_based_actor {
public:
  service_actor(caf::actor_config& cfg, world& w, scripted_service s)
    : caf::event_based_actor(cfg), world_(w), does_(std::move(s)) {}

  const char* name() const override { return "service"; }

protected:
  caf::behavior make_behavior() override {
    set_default_handler([this](caf::scheduled_actor*, caf::message_view& m) -> caf::result<caf::message> {
      world_.problem(fmt::format("'{}' got a message that nobody planned: {}", does_.name,
                                 caf::to_string(m.content())));
      return caf::sec::unexpected_message;
    });
    return {
      [this](call_request& r) { on_call(r); },
      [](answer_later& a) { a.to.deliver(std::move(a.reply)); },
      [this](const call_cancel& c) { world_.cancelled[does_.name].push_back(keys_[c.id]); },
      [this](const reconcile_request& r) {
        ++world_.reconciled[does_.name];
        if (does_.reconcile)
          return does_.reconcile(r);
        if (world_.count(does_.name, r.key) > 0)
          return reconcile_reply{reconcile_state::done, world_.answers[does_.name][r.key]};
        return reconcile_reply{reconcile_state::not_done, {}};
      },
    };
  }

private:
  void on_call(call_request& r) {
    auto promise = make_response_promise();
    auto what = does_.answer ? does_.answer(r, calls_++) : scripted_answer{};
    if (!world_.crashed)
      world_.calls[does_.name].push_back(r.key);
    keys_[r.id] = r.key;
    if (what.effect)
      world_.effect(does_.name, r.key, r.body, what.value);
    if (what.crash)
      quit(caf::exit_reason::unhandled_exception);
    if (what.silent || world_.crashed)
      return;
    delayed_send(this, what.latency, answer_later{promise, {std::move(what.value), 1}});
  }

  world& world_;
  scripted_service does_;
  std::uint32_t calls_ = 0;
  std::map<call_id, std::string> keys_;
};

class client_actor final : public caf::event_based_actor {
public:
  using caf::event_based_actor::event_based_actor;
  const char* name() const override { return "outside"; }

protected:
  caf::behavior make_behavior() override {
    return {[this](const run_this& r) { (*r.what)(this); }};
  }
};

} // namespace

caf::actor spawn_service(caf::actor_system& system, world& w, scripted_service s) {
  return system.spawn<service_actor>(std::ref(w), std::move(s));
}

caf::actor spawn_client(caf::actor_system& system) {
  return system.spawn<client_actor>();
}

} // namespace troupe::kit
