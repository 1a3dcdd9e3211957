#pragma once
// How a failed call is tried again: part of every tool's and model's options.
//
// Exactly one layer retries, the one that owns these. Which failures may be repeated at all is the
// effect class's business, not an option.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstdint>

namespace troupe {

struct retry_options {
  // Behaviour
  /// Longest time of one attempt. 3 s: a tool that needs longer says so.
  std::chrono::milliseconds timeout{3'000};
  /// Longest time over all attempts and the waits between them.
  std::chrono::milliseconds total_timeout{30'000};
  /// Attempts in all, the first included; 1 never retries.
  std::uint32_t attempts_max = 3;
  /// A `Retry-After` up to this is waited for; a longer one fails the call and is passed on.
  std::chrono::milliseconds retry_after_max{60'000};

  // Performance
  /// Delay before retry i (0, 1, ..) is random in [0, min(backoff_max, backoff_base * 2^i)].
  std::chrono::milliseconds backoff_base{200};
  std::chrono::milliseconds backoff_max{20'000};
  /// In place of `backoff_base` after 429: the far side asked for air.
  std::chrono::milliseconds backoff_throttled{1'000};
  /// Tokens that all calls of one service share; a retry takes some, a success gives them back,
  /// and at zero nothing is retried: an outage must not be answered with three times the load.
  std::uint32_t budget = 500;
  std::uint32_t budget_cost = 14;          ///< of a retry after a transient failure
  std::uint32_t budget_cost_throttled = 5; ///< of a retry after 429

  option_problems validate() const;
};

} // namespace troupe
