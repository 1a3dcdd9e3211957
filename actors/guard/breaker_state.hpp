#pragma once
// The logic of a circuit breaker, in resilience4j's words. Pure: no actors, no locks, no clock.
//
// A tool that is down makes each of its callers wait for a timeout, and is asked by all of them the
// moment it comes back. A breaker counts how calls go, and once too many have failed or were slow,
// it refuses further ones at once; after a while it lets a few probes through, and by how they go
// it closes or stays open for longer.
//
//   closed       all pass and are counted
//   open         all are refused, until `open_for` is over
//   half_open    `half_open_calls` probes pass, all others are refused
//   disabled     forced closed: all pass, nothing is counted
//   forced_open  all are refused until somebody says otherwise
//
// Each change begins a new *generation*, and a permit carries that of its birth: what a call that
// began before a trip says afterwards counts nowhere. A permit for a probe is a *lease*: when it
// ends without a result its place is free again, so that half_open cannot stick.

#include "actors/guard/breaker_options.hpp"
#include "actors/guard/call_window.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"

#include <boost/describe/class.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class breaker_mode : std::uint8_t { closed, open, half_open, disabled, forced_open };

/// `half_open`, as it stands in events and on the command line.
std::string_view to_string(breaker_mode mode) noexcept;
/// The inverse; `closed` for a word that is none of them.
breaker_mode breaker_mode_from(std::string_view name) noexcept;

/// What a person says to a breaker.
enum class breaker_order : std::uint8_t {
  open,  ///< refuse everything
  close, ///< let everything through
  self,  ///< `auto`: decide for yourself, from now on
};

/// The right to make one attempt.
struct breaker_permit {
  std::uint64_t generation = 0;
  std::uint64_t lease = 0; ///< of a probe; 0: none
};

/// How an attempt counts.
enum class call_verdict : std::uint8_t {
  success,
  failure,
  ignored, ///< it says nothing about the service
};

/// What a breaker knows, as its checkpoint.
struct breaker_memory {
  std::string mode = "closed";
  std::string window; ///< see call_window::text
  std::uint32_t trips = 0;
  std::int64_t open_until = 0; ///< UTC, microseconds; 0: not open
};
BOOST_DESCRIBE_STRUCT(breaker_memory, (), (mode, window, trips, open_until))

class breaker_state {
public:
  /// @param slow_call where the options leave it open
  breaker_state(const breaker_options& options, std::chrono::milliseconds slow_call);

  /// A permit, or `circuit_open` with `retry_after`.
  /// @param lease_until when a probe's place is free again, at the latest
  result<breaker_permit> acquire(steady_time now, steady_time lease_until);

  /// Whether `acquire` would refuse now; takes nothing.
  std::optional<error> refusal(steady_time now);

  /// How an attempt went. Counts once; a permit of an earlier generation, or one whose lease is
  /// over, counts nowhere.
  /// @param retry_after what the far side asked for with this failure
  void report(const breaker_permit& p, call_verdict verdict, std::chrono::nanoseconds took,
              std::optional<std::chrono::milliseconds> retry_after, steady_time now,
              random_source& random);

  /// Somebody has decided.
  void order(breaker_order what);

  /// Lets what is due happen: an open breaker whose time is over becomes half_open.
  void look(steady_time now);

  bool is_slow(std::chrono::nanoseconds took) const noexcept { return took >= slow_call_; }
  breaker_mode mode() const noexcept { return mode_; }
  std::uint64_t generation() const noexcept { return generation_; }
  /// How often it has opened in a row, without having closed in between.
  std::uint32_t trips() const noexcept { return trips_; }
  /// When it will let probes through; while it is open.
  steady_time open_until() const noexcept { return open_until_; }
  call_tally tally(steady_time now) { return window_.tally(now); }

  breaker_memory save(steady_time now, utc_time utc) const;
  void restore(const breaker_memory& memory, steady_time now, utc_time utc);

private:
  struct lease {
    std::uint64_t id = 0;
    steady_time until{};
  };

  void become(breaker_mode next);
  void trip(std::optional<std::chrono::milliseconds> asked, steady_time now,
            random_source& random);
  bool too_bad(const call_tally& t, std::uint32_t of) const noexcept;
  void judge_probes(std::optional<std::chrono::milliseconds> asked, steady_time now,
                    random_source& random);
  void drop_leases(steady_time now);
  error refuse(steady_time now) const;

  breaker_options options_;
  std::chrono::nanoseconds slow_call_;
  breaker_mode mode_ = breaker_mode::closed;
  std::uint64_t generation_ = 1;
  std::uint32_t trips_ = 0;
  steady_time open_until_{};
  call_window window_;
  call_tally probes_; ///< of this half_open
  std::vector<lease> leases_;
  std::uint64_t last_lease_ = 0;
};

/// How an attempt that ended in `why` counts. What the far side has answered by itself is a
/// success, as far as its health goes, also where it says no; our own refusals, a cancellation and
/// throttling (the limiter's business) say nothing. Nor does a caller's deadline, unless the
/// attempt was slow by then.
call_verdict verdict_of(const error& why, bool slow) noexcept;

} // namespace troupe
