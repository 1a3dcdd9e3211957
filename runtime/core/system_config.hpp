#pragma once
// How CAF is set up in a process of ours: every knob in one place, each with its reason.
//
//     auto cfg = caf::actor_system_config{};
//     configure(cfg, {.threads = 4});
//     caf::actor_system system{cfg};

#include <caf/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe {

struct scheduler_options {
  // Behaviour
  /// Worker threads; 0: one a core and one more, at least three. One worker may sit in a commit,
  /// and the others must still be able to use every core.
  std::uint32_t threads = 0;

  // Performance
  /// Looks into the own queue, without a pause, before a worker goes to sleep. Few: a sleeper is
  /// woken through its condition variable, and whoever spins takes the core from one that works.
  std::size_t aggressive_polls = 20;
  /// One look into another's queue for so many into the own.
  std::size_t steal_interval = 10;
  /// Looks with a pause in between. None: with 50 us each they only delay what is enqueued from
  /// outside, which does not end the pause.
  std::size_t moderate_polls = 0;
  /// How long a sleeping worker stays asleep before it looks for work to steal: what a job can wait
  /// behind a commit on its own worker. At 1 ms an idle process uses under 1 % of a core.
  std::chrono::microseconds relaxed_sleep{1'000};
  /// Messages that an actor handles before others get their turn. CAF's default has no bound, and
  /// the dispatcher must not hold a worker for as long as the flood lasts.
  std::size_t throughput = 300;
};

/// Sets the scheduler and switches CAF's own logging off: it would write past our events.
void configure(caf::actor_system_config& config, const scheduler_options& options = {});

/// What `threads` comes to on this machine.
std::size_t worker_threads(const scheduler_options& options) noexcept;

} // namespace troupe
