#pragma once
// Whether, and when, a failed call is tried again.
//
// Retries cure small failures and feed large ones: an outage that is answered with three times the
// load lasts. So exactly one layer retries, the actor that guards a service, and each retry must
// pass every rule here: the failure can pass, a repeat does no harm, attempts and time are left,
// and the budget that all calls of the service share has tokens.
//
// Pure logic, no actors: `retry_budget` belongs to a service, `retry_state` to one call.

#include "actors/guard/retry_options.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/error.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace troupe {

/// Failures that may pass by themselves. `overloaded` and `circuit_open` are not among them: they
/// are our own refusals, and asking again at once is what they are there to prevent.
constexpr bool may_pass(errc code) noexcept {
  return code == errc::timed_out || code == errc::unavailable || code == errc::rate_limited;
}

/// Tokens that all calls of one service share (the AWS SDKs' bucket): it fills by successes, not
/// by time, so it stays empty as long as nothing succeeds.
class retry_budget {
public:
  explicit retry_budget(const retry_options& options)
    : tokens_(options.budget), tokens_max_(options.budget) {}

  /// Takes `cost` tokens, or nothing where there are fewer.
  bool take(std::uint32_t cost) noexcept;
  /// Gives back, up to the full bucket.
  void refund(std::uint32_t tokens) noexcept;

  std::uint32_t tokens() const noexcept { return tokens_; }
  /// As it was before its actor was restarted.
  void restore(std::uint32_t tokens) noexcept;

private:
  std::uint32_t tokens_;
  std::uint32_t tokens_max_;
};

/// Why a failure is the last one.
enum class retry_stop : std::uint8_t {
  no,            ///< it is not: try again
  permanent,     ///< a repeat would change nothing
  unsafe,        ///< it may have happened, and must not happen twice
  attempts,      ///< `attempts_max`
  deadline,      ///< the wait would go past the deadline
  too_long_wait, ///< the far side asks for more patience than `retry_after_max`
  budget,        ///< no tokens left
  circuit_open,  ///< the breaker would not let it through
};

/// `attempts`, as it stands in events.
std::string_view to_string(retry_stop reason) noexcept;

struct retry_decision {
  retry_stop stop = retry_stop::no;
  std::chrono::milliseconds wait{0}; ///< before the next attempt
};

/// The retries of one call.
class retry_state {
public:
  retry_state(const retry_options& options, effect_class cls, utc_time deadline)
    : options_(&options), cls_(cls), deadline_(deadline) {}

  /// After a failed attempt. Takes from the budget when it says `no`.
  ///
  /// The wait is random in [0, min(cap, base * 2^i)] ("full jitter"), after what `Retry-After` asks
  /// for: those who were sent away together must not come back together.
  retry_decision failed(const error& why, utc_time now, retry_budget& budget,
                        random_source& random);

  /// After the attempt that succeeded: gives back what the last retry took, or one token.
  void succeeded(retry_budget& budget) noexcept;

  /// The retry that `failed` has allowed is not made.
  void withdrawn(retry_budget& budget) noexcept;

  /// The error that the caller gets: once an attempt may have happened, so may the call, whatever
  /// the later ones say.
  error closing(error last) const;

private:
  std::chrono::milliseconds backoff(const error& why, random_source& random) const;

  const retry_options* options_; ///< outlives the call
  effect_class cls_;
  utc_time deadline_;
  std::uint32_t attempts_ = 0;
  std::uint32_t last_cost_ = 0;
  bool doubtful_ = false;
};

} // namespace troupe
