// Faults 21 and 22: clocks that jump, machines that stand still.
#include "tests/kit/faulty_network.hpp"
#include "tests/kit/faulty_time.hpp"
#include "tests/sim/fault_ground.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

constexpr int crowd_size = 5;

// Answers come late and are lost, so that outcomes are asked for while the clocks misbehave.
kit::network_faults bad_network(std::uint64_t seed) {
  kit::network_faults f;
  f.seed = seed;
  f.delay_max = 1'500ms; // there and back within what a call may take
  f.cut_request = 0.15;
  f.cut_reply = 0.15;
  return f;
}

// One life after another, with `disturb` between the looks; then nothing disturbs any more.
template <class Disturb>
int disturbed(kit::world& w, customers& crowd, std::uint64_t seed, Disturb disturb) {
  std::mt19937_64 chance{seed};
  int crashes = 0;
  for (int life = 0; life < 3; ++life) {
    kit::stage aut{w, errands(seed * 10 + static_cast<std::uint64_t>(life))};
    for (int round = 0; round < 8; ++round) {
      crowd.send(aut);
      aut.run(std::chrono::milliseconds{chance() % 1'500});
      crowd.listen();
      disturb(aut, chance);
    }
    crowd.forget();
    ++crashes; // the stage goes as it is: that is a kill
  }
  return crashes;
}

} // namespace

TEST_CASE("fault 21, wall clock jumps by an hour: nothing happens twice, and timers catch up",
          "[fault]") {
  std::uint64_t jumps = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto net = kit::faulty_network::around(w, bad_network(seed));
    customers crowd{crowd_size};
    disturbed(w, crowd, seed, [&](kit::stage&, std::mt19937_64& chance) {
      if (chance() % 2 == 0)
        return;
      ++jumps;
      bool right = w.wall_ahead == 0s;
      kit::jump_wall_clock(w, !right ? -w.wall_ahead : chance() % 2 == 0 ? 1h : -1h);
    });
    auto heal = [&] {
      net->heal();
      w.wall_ahead = 0s; // set right again
    };
    // What was to sleep until a time by the wrong clock sleeps until then: an hour at most.
    survive(w, crowd, seed, 0, heal, 1h + 2min);
    crowd.check(w);
  }
  WARN("wall clock jumps: 150 seeds, " << jumps << " jumps of an hour");
}

TEST_CASE("fault 21, wall clock jumps by an hour: a clock that stays set back costs that hour at most",
          "[fault]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    customers crowd{crowd_size};
    {
      kit::stage aut{w, errands(seed)};
      crowd.send(aut);
      aut.run_until([&] { return w.total("tool:charge") == crowd_size; });
      kit::jump_wall_clock(w, -1h);
      aut.run(1min);
      crowd.listen();
      crowd.forget();
    }
    survive(w, crowd, seed, 0, [] {}, 1h + 1min);
    crowd.check(w);
  }
}

TEST_CASE("fault 22, pause of the whole machine: it wakes late, not wrong", "[fault]") {
  std::uint64_t pauses = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto net = kit::faulty_network::around(w, bad_network(seed));
    customers crowd{crowd_size};
    disturbed(w, crowd, seed, [&](kit::stage&, std::mt19937_64& chance) {
      if (chance() % 3 != 0)
        return;
      ++pauses;
      kit::pause_machine(w, std::chrono::seconds{chance() % 4'000});
    });
    survive(w, crowd, seed, 0, [&] { net->heal(); });
    crowd.check(w);
  }
  WARN("pauses: 150 seeds, " << pauses << " pauses of up to an hour");
}
