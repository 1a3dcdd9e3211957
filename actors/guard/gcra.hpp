#pragma once
// A token bucket without a timer: the generic cell rate algorithm (ATM Forum, TM 4.0, appendix I).
//
// A bucket of `burst` tokens that fills at `rate` a minute is one number, the time at which it will
// be full again. Taking moves it on, giving back moves it back; nothing ticks while nobody asks.

#include "runtime/core/clock.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace troupe {

/// One limit. Not thread-safe.
class gcra {
public:
  /// No limit at all.
  gcra() = default;

  /// @param rate_per_minute tokens that come in a minute; 0: no limit
  /// @param burst most tokens that can be taken at once; at least 1
  gcra(double rate_per_minute, double burst);

  bool limits() const noexcept { return per_token_ > 0; }

  /// When `n` tokens can be taken: `now` where they are there already. Nothing where they never
  /// are, since `n` is more than a full bucket.
  std::optional<steady_time> when(double n, steady_time now) const noexcept;

  /// Takes them, whether they are there or not: what was really used counts, also where it was
  /// more than was asked for.
  void take(double n, steady_time now) noexcept;

  /// Gives back what was reserved and not used.
  void give_back(double n) noexcept;

  /// No more than `left` tokens are there, as somebody says who counts too. Never adds any.
  void at_most(double left, steady_time now) noexcept;

  /// Tokens that are there; negative after an overdraft. A very large number where there is no
  /// limit.
  double tokens(steady_time now) const noexcept;

  double burst() const noexcept { return burst_; }

  /// How long it takes until `n` tokens have come.
  std::chrono::nanoseconds time_of(double n) const noexcept;

private:
  double per_token_ = 0; ///< nanoseconds; 0: no limit
  double burst_ = 0;
  steady_time full_at_{}; ///< when the bucket is full; past: it is
};

} // namespace troupe
