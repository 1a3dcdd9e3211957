#include "actors/guard/breaker_actor.hpp"

#include "actors/guard/bounded_actor.hpp"
#include "actors/guard/breaker_messages.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/journal/log.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <iterator>
#include <map>

namespace troupe {
namespace {

class breaker_actor final : public bounded_actor {
public:
  breaker_actor(caf::actor_config& cfg, breaker_setup setup)
    : bounded_actor(cfg, breaker_mailbox_max), setup_(std::move(setup)) {}

  const char* name() const override { return "breaker"; }

  void on_exit() override {
    for (const auto& [_, permits] : lent_)
      for (const auto& [__, p] : permits)
        setup_.state->give_back(p);
    lent_.clear();
    send(setup_.timer, disarm_timers{address()});
    setup_.timer = nullptr;
    setup_.supervisor = nullptr;
  }

protected:
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    set_down_handler([this](const caf::down_msg& d) { on_death(d.source); });
    if (!setup_.checkpoint.empty())
      setup_.state->restore(setup_.checkpoint);
    setup_.state->observe(address());
    report_start();
    changed();
    return {
      [this](const permit_request& r) { return lend(r); },
      [this](const permit_result& r) { take_back(r); },
      [this](breaker_changed) { changed(); },
      [this](const timer_fired&) { setup_.state->look(); },
      [this](breaker_query) { return breaker_reply{setup_.state->info()}; },
      [this](const breaker_command& c) {
        setup_.state->order(c.what);
        return breaker_reply{setup_.state->info()};
      },
    };
  }

private:
  void report_start() const {
    event e;
    e.lvl = level::debug;
    e.name = "breaker.started";
    e.service = setup_.state->service();
    e.result = setup_.state->info().state;
    setup_.env.events.write(e);
  }

  permit_reply lend(const permit_request& r) {
    auto who = caf::actor_cast<caf::actor_addr>(current_sender());
    if (count_ >= permits_lent_max)
      return {error{errc::overloaded, fmt::format("{} permits are lent", count_)}};
    auto permit = setup_.state->acquire(r.lease);
    // Only a probe takes a place that its borrower's death must free.
    if (!permit || permit->lease == 0)
      return {std::move(permit)};
    auto& theirs = lent_[who];
    if (theirs.empty())
      monitor(who);
    theirs.emplace(permit->lease, *permit);
    ++count_;
    return {std::move(permit)};
  }

  void take_back(const permit_result& r) {
    setup_.state->report(r.permit, r.why ? &*r.why : nullptr, r.took);
    auto who = lent_.find(caf::actor_cast<caf::actor_addr>(current_sender()));
    if (who == lent_.end() || who->second.erase(r.permit.lease) == 0)
      return;
    --count_;
    forget_if_none(who);
  }

  void on_death(const caf::actor_addr& who) {
    auto i = lent_.find(who);
    if (i == lent_.end())
      return;
    for (const auto& [_, p] : i->second)
      setup_.state->give_back(p);
    count_ -= i->second.size();
    lent_.erase(i);
  }

  void changed() {
    if (auto at = setup_.state->due(); at != never)
      send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), 1, at});
    forget_older_than(setup_.state->generation());
    if (setup_.supervisor)
      send(setup_.supervisor, save_checkpoint{setup_.child_id, setup_.state->save()});
  }

  using borrowers = std::map<caf::actor_addr, std::map<std::uint64_t, breaker_permit>>;

  void forget_if_none(borrowers::iterator who) {
    if (!who->second.empty())
      return;
    demonitor(who->first);
    lent_.erase(who);
  }

  /// What was lent before the last change counts no more.
  void forget_older_than(std::uint64_t generation) {
    for (auto who = lent_.begin(); who != lent_.end();) {
      auto next = std::next(who);
      count_ -= std::erase_if(who->second,
                              [&](const auto& p) { return p.second.generation < generation; });
      forget_if_none(who);
      who = next;
    }
  }

  breaker_setup setup_;
  borrowers lent_;
  std::size_t count_ = 0;
};

} // namespace

std::string breaker_service_name(std::string_view service) {
  return fmt::format("{}{}", breaker_prefix, service);
}

caf::actor spawn_breaker(caf::actor_system& system, breaker_setup setup) {
  return system.spawn<breaker_actor>(std::move(setup));
}

caf::actor spawn_store_breaker(caf::actor_system& system, const journal::commit_log& log) {
  return system.spawn([&log]() -> caf::behavior {
    return {
      [&log](breaker_query) {
        breaker_info out;
        out.name = "store";
        out.state = to_string(log.failed() ? breaker_mode::open : breaker_mode::closed);
        return breaker_reply{std::move(out)};
      },
      [](const breaker_command&) {
        return breaker_reply{error{errc::conflict, "the store's breaker follows its commits: the "
                                                   "first that succeeds closes it"}};
      },
    };
  });
}

} // namespace troupe
