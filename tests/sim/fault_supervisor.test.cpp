// Faults 6 and 7: services that crash in a loop, and a supervisor that crashes itself.
#include "actors/supervision/supervisor.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/sim/fault_ground.hpp"

#include <caf/event_based_actor.hpp>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

/// The time of all stages of a world, for actors of our own.
class world_time final : public time_source {
public:
  explicit world_time(const caf::actor_system& s) : clock_(const_cast<caf::actor_system&>(s).clock()) {}
  utc_time now() const override { return utc_time{} + 500'000h + since(); }
  steady_time steady() const override { return steady_time{} + since(); }

private:
  std::chrono::microseconds since() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(clock_.now().time_since_epoch());
  }
  caf::actor_clock& clock_;
};

class fixed_random final : public random_source {
public:
  std::uint64_t next() override { return state_ += 0x9E3779B97F4A7C15U; }

private:
  std::uint64_t state_ = 1;
};

/// Services under supervisors: root, inner, and a guard that may crash with its calls.
class supervised final : public kit::stage_network {
public:
  supervised(kit::world& w, std::uint64_t seed) : world_(w), chance_(seed) {}

  double falls = 0;           ///< of the calls: their guard dies
  bool inner_falls = false;   ///< and its supervisor with it
  std::uint32_t root_intensity = 1'000;
  std::vector<std::string> gave_up;
  std::uint64_t deaths = 0;
  std::uint64_t supervisors_killed = 0;

  caf::actor before(caf::actor_system& system, caf::actor service,
                    const service_info& info) override {
    auto life = std::make_shared<parts>(system);
    auto inner = [this, life, service, info, &system](const child_start&) {
      child_spec guard;
      guard.options.id = "guard";
      guard.service = "guarded";
      guard.info = info;
      // `life` too: this supervisor may end after the one above it, which owns it as well.
      guard.start = [this, life, service, &system](const child_start& with) {
        return result<caf::actor>{system.spawn(guard_actor, this, service, with.supervisor)};
      };
      supervisor_options o;
      o.name = "inner";
      o.intensity = 1;
      o.backoff.max = 200ms;
      return spawn_supervisor(system, {life->env, o, {guard}, life->timer});
    };
    child_spec under;
    under.options.id = "inner";
    under.start = inner;
    supervisor_options o;
    o.name = "root";
    o.intensity = root_intensity;
    o.backoff.max = 200ms;
    supervisor_setup setup{life->env, o, {under}, life->timer};
    setup.on_give_up = [this](const error& why) { // the process ends
      gave_up.push_back(why.message);
      world_.crashed = true;
    };
    auto root = spawn_supervisor(system, std::move(setup)).value();
    return system.spawn([life, root, service](caf::event_based_actor* self) -> caf::behavior {
      self->link_to(service);
      self->attach_functor([life, root] {
        caf::anon_send_exit(root, caf::exit_reason::kill);
        caf::anon_send_exit(life->timer, caf::exit_reason::kill);
        life->services.clear();
      });
      // Where there is none yet or any more, CAF says so to whoever asks.
      auto to = [life] {
        auto found = life->services.find("guarded");
        return found ? found->handle : caf::actor{};
      };
      return {[=](call_request& r) { self->delegate(to(), std::move(r)); },
              [=](reconcile_request& r) { self->delegate(to(), std::move(r)); },
              [=](const call_cancel& c) { self->send(to(), c); }};
    });
  }

private:
  struct parts {
    explicit parts(caf::actor_system& system)
      : clock(system), timer(spawn_timer(system, clock, events)) {}
    world_time clock;
    fixed_random chance;
    memory_sink events;
    directory services;
    environment env{clock, chance, events, services};
    caf::actor timer;
  };

  bool falls_now() {
    return falls > 0 && static_cast<double>(chance_() >> 11U) * 0x1.0p-53 < falls;
  }

  // Passes calls on; or has one done, says that nobody knows, and dies.
  static caf::behavior guard_actor(caf::event_based_actor* self, supervised* me, caf::actor service,
                                   caf::actor supervisor) {
    return {
      [=](call_request& r) {
        if (!me->falls_now()) {
          self->delegate(service, std::move(r));
          return;
        }
        ++me->deaths;
        auto promise = self->make_response_promise();
        promise.deliver(call_reply{error{errc::internal, "the guard has a bug", certainty::unknown}, 1});
        caf::anon_send(service, std::move(r));
        if (me->inner_falls) {
          ++me->supervisors_killed;
          caf::anon_send_exit(supervisor, caf::exit_reason::kill);
        } else {
          self->quit(caf::exit_reason::unhandled_exception);
        }
      },
      [=](reconcile_request& r) { return self->delegate(service, std::move(r)); },
      [=](const call_cancel& c) { self->send(service, c); },
    };
  }

  kit::world& world_;
  std::mt19937_64 chance_;
};

} // namespace

TEST_CASE("fault 6, crash loop beyond intensity: the process ends with the reason and goes on healed",
          "[fault]") {
  std::size_t ends = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto net = std::make_shared<supervised>(w, seed);
    w.network = net;
    net->falls = 0.9;
    net->root_intensity = 1;
    customers crowd{6};
    survive(w, crowd, seed, 30, [&] { net->falls = 0; });
    crowd.check(w);
    CHECK_FALSE(net->gave_up.empty());
    for (const auto& why : net->gave_up)
      CHECK(why.find("restarts within") != std::string::npos);
    ends += net->gave_up.size();
  }
  WARN("crash loop: 30 seeds, " << ends << " processes ended");
}

TEST_CASE("fault 7, supervisor crash: the one above starts it and its children again", "[fault]") {
  std::uint64_t killed = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto net = std::make_shared<supervised>(w, seed);
    w.network = net;
    net->falls = 0.15;
    net->inner_falls = true;
    customers crowd{6};
    survive(w, crowd, seed, 30, [&] { net->falls = 0; });
    crowd.check(w);
    killed += net->supervisors_killed;
  }
  CHECK(killed > 30);
  WARN("supervisor crash: 30 seeds, " << killed << " supervisors killed");
}
