#pragma once
// A circuit breaker in front of one service, as those see it who call the service.
//
// The decision stands before every attempt of every call, so it costs no message: the state is
// shared within the process, behind a lock that is held for some 20 ns, and asked on the spot. The
// actor of the breaker (breaker_actor.hpp) does what takes time: it wakes an open breaker when its
// time is over, keeps the checkpoint, answers people, and lends permits to actors that only know
// messages.
//
//     auto permit = guard.acquire(lease);      // circuit_open: fail, or fall back
//     ...                                      // the attempt
//     guard.report(*permit, outcome_error, took);
//
// Lifecycle: made once for each service, shared by all that call it, outlives their restarts.
// Threads: any.

#include "actors/guard/breaker_state.hpp"
#include "runtime/core/env.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>

#include <mutex>
#include <string>

namespace troupe {

/// Where a breaker stands; what `troupe breaker` shows.
struct breaker_info {
  std::string name;           ///< of the service: `tool:ticketing`
  std::string state;
  std::uint32_t calls = 0;    ///< in the window
  std::uint32_t failed = 0;   ///< of them
  std::uint32_t slow = 0;     ///< of them
  std::uint64_t refused = 0;  ///< attempts and calls, since the process began
  std::uint32_t trips = 0;    ///< in a row
  std::int64_t retry_after_ms = 0; ///< until probes are let through; while open
};
BOOST_DESCRIBE_STRUCT(breaker_info, (),
                      (name, state, calls, failed, slow, refused, trips, retry_after_ms))

/// When a call is slow, where nobody says: it needs most of the time that it has.
constexpr std::chrono::milliseconds usually_slow(std::chrono::milliseconds timeout) noexcept {
  return timeout * 8 / 10;
}

class breaker {
public:
  /// @param service   what it guards, for events
  /// @param slow_call where the options leave it open
  /// @param env       outlives it
  breaker(std::string service, const breaker_options& options, std::chrono::milliseconds slow_call,
          const environment& env);

  /// A permit for one attempt, or `circuit_open`.
  /// @param lease after which a probe that says nothing no longer counts as under way
  result<breaker_permit> acquire(std::chrono::milliseconds lease);

  /// Why a call has no chance now, without taking anything: asked before it queues.
  std::optional<error> refusal();

  /// The attempt has ended, well where `why` is null.
  void report(const breaker_permit& p, const error* why, std::chrono::nanoseconds took);

  /// Nothing came of the permit.
  void give_back(const breaker_permit& p);

  void order(breaker_order what);
  /// An open breaker whose time is over becomes half_open.
  void look();

  breaker_info info();
  /// When it is to be looked at again; `never` where nothing is due.
  utc_time due();
  std::uint64_t generation();
  const std::string& service() const noexcept { return service_; }

  /// Its checkpoint, JSON text. `restore` has no effect once it has seen a call.
  std::string save();
  void restore(const std::string& checkpoint);

  /// Who gets `breaker_changed` when its state changes.
  void observe(caf::actor_addr observer);

private:
  /// Runs `what` on the state, then tells whoever wants to know of a change.
  template <class F>
  auto with(F what);
  void tell(breaker_mode before, breaker_mode after, const call_tally& seen,
            std::chrono::milliseconds open_for);

  const std::string service_;
  const environment& env_;
  std::mutex mutex_;
  breaker_state state_;
  bool used_ = false;
  std::uint64_t refused_ = 0;
  caf::actor_addr observer_;
};

} // namespace troupe
