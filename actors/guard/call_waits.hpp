#pragma once
// Where the calls of a service wait: for a slot, for an answer, for the end of a pause.
//
// A service keeps thousands of calls at once, each a coroutine that stands still most of the time,
// and each may go on for several reasons: what it waited for is there, its time is over, somebody
// has cancelled it. Here is that one place, for all services alike. A call goes on exactly once per
// wait, and all waits of a service share one timer.
//
//     auto woken = co_await waits_.wait(*c, until);
//     if (woken == wake::cancelled) ...
//
// Lifecycle: made with its actor, whose handlers pass `timer_fired` on to `on_timer`; `stop` in
// `on_exit`. Calls belong to the actor; one that ends says `forget` first. Threads: the actor's.

#include "runtime/core/async.hpp"
#include "runtime/core/clock.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <coroutine>
#include <cstdint>
#include <map>
#include <utility>

namespace troupe {

/// Why a call that waited goes on.
enum class wake : std::uint8_t {
  due,       ///< its time is over
  slot,      ///< it has a slot, which is taken already
  answered,  ///< an attempt has ended
  cancelled, ///< somebody asked for it
  refused,   ///< what it waits for will not come
};

/// Whoever goes on so much later than it was due has stood still with its process: stopped, suspended
/// with the machine, without a processor. What it did not hear meanwhile says nothing of the far
/// side. Longer than a busy machine takes to come round, shorter than the shortest useful timeout.
inline constexpr std::chrono::milliseconds stood_still{250};

/// A call, as far as waiting is concerned. Services derive their own from it.
struct waiting_call {
  std::uint64_t no = 0; ///< the older the smaller
  bool cancelled = false;

private:
  friend class call_waits;
  bool waits_ = false;
  std::uint64_t chain_ = 0; ///< of its coroutine, in the scope
  utc_time due_ = never;
  wake woken_ = wake::due;
};

class call_waits {
public:
  /// Id of the timer with which a service is woken.
  static constexpr std::uint64_t timer_id = 1;

  /// @param self owns this and outlives it, as do `clock` and `coroutines`
  call_waits(caf::event_based_actor& self, const time_source& clock, caf::actor timer,
             scope& coroutines)
    : self_(self), clock_(clock), timer_(std::move(timer)), coroutines_(coroutines) {}

  class waiter {
  public:
    waiter(call_waits& on, waiting_call& c, utc_time until) : on_(on), call_(c), until_(until) {}
    bool await_ready() const;
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) const {
      on_.suspend(call_, h.promise().on->id, until_);
    }
    wake await_resume() const noexcept { return call_.woken_; }

  private:
    call_waits& on_;
    waiting_call& call_;
    utc_time until_;
  };

  /// Until somebody wakes the call, but no longer than `until`; not at all where that is past or
  /// the call is cancelled.
  waiter wait(waiting_call& c, utc_time until) { return waiter{*this, c, until}; }

  /// The call goes on, now; nothing where it does not wait. It may end within this.
  void wake_up(waiting_call& c, wake why);

  /// The call waits on, but no longer than `until`.
  void put_off(waiting_call& c, utc_time until);

  static bool waits(const waiting_call& c) noexcept { return c.waits_; }

  /// The timer has fired: whoever is due goes on.
  void on_timer();

  /// The call is about to be destroyed.
  void forget(waiting_call& c) { set_due(c, never); }

  /// Drops timer and waits: the actor ends.
  void stop();

private:
  void suspend(waiting_call& c, std::uint64_t chain, utc_time until);
  void set_due(waiting_call& c, utc_time until);
  void arm();

  caf::event_based_actor& self_;
  const time_source& clock_;
  caf::actor timer_;
  scope& coroutines_;
  std::map<std::pair<utc_time, std::uint64_t>, waiting_call*> dues_;
  utc_time armed_for_ = never;
};

} // namespace troupe
