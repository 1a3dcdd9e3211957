#pragma once
// When a breaker opens and closes: `[tools.*.breaker]` and `[models.*.breaker]` in a topology.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstdint>

namespace troupe {

struct breaker_options {
  // Behaviour
  /// False: lets everything through and counts nothing.
  bool enabled = true;
  /// Calls that are looked at: the last 20. Fewer would open on bad luck, more would open late.
  std::uint32_t window = 20;
  /// In place of the count: the calls of this much time, in 10 buckets. 0: by count.
  std::chrono::milliseconds window_time{0};
  /// Fewer calls than this say nothing.
  std::uint32_t calls_min = 10;
  /// Opens where at least this part of the calls has failed; above 1: never for failures.
  double failure_rate = 0.5;
  /// A call that takes this long is slow; 0: 0.8 of the timeout of one attempt.
  std::chrono::milliseconds slow_call{0};
  /// Opens where at least this part of the calls was slow; above 1: never for slowness.
  double slow_rate = 1.0;
  /// How long it stays open before it lets probes through: long enough for a restart over there.
  std::chrono::milliseconds open_for{30'000};
  /// Doubled with each round of probes that fails, up to this. A `Retry-After` counts up to it, too.
  std::chrono::milliseconds open_for_max{300'000};
  /// Probes that decide whether it closes, and that are under way at most.
  std::uint32_t half_open_calls = 3;

  // Performance
  /// The open time is up to this part longer, at random: breakers of many processes that opened
  /// together must not probe together.
  double jitter = 0.2;

  option_problems validate() const;
};

} // namespace troupe
