#pragma once
// Bugs that a test can switch on, one at a time: does the test kit find what it is there to find?
//
// A test kit that reports nothing has found nothing, or looks at nothing, and from outside these are
// the same. So the production code has seams at which a known mistake can be made:
//
//     if (incarnation != now && !planted(planted_bug::some_mistake))
//
// tests/sim/planted.test.cpp makes each mistake in turn and demands that the general scenarios, with
// their general invariants, find it. Without the CMake option TROUPE_PLANTED, so in every release
// and for every user, `planted` is a constant `false` and the seams are gone. No layout, signature
// or journal depends on it: plugins of either build fit.

#include <atomic>
#include <cstdint>

namespace troupe {

/// What can go wrong, said as what the code then does.
enum class planted_bug : std::uint8_t {
  none,
  // runtime/journal
  told_before_synced,         ///< tells that rows are durable before it commits them
  signal_renumbered,          ///< takes a signal that was carried over a checkpoint for another one
  // runtime/store, memory
  older_owner_accepted,       ///< takes commits of an owner that was replaced
  blob_dropped_early,         ///< drops a blob with its first referrer, although it has others
  // runtime/core/invocation
  output_before_gate,         ///< calls a service before the command is durable
  key_reused_by_generation,   ///< gives the next generation's effects the keys of the one before
  key_fresh_per_sending,      ///< gives an effect another key whenever it is sent
  repeated_blindly,           ///< after a crash sends again what must not happen twice
  not_done_trusted_early,     ///< believes "not done" while the first sending is in flight
  late_answer_delivered,      ///< gives the answer of a race's loser to whoever waits now
  cancel_misses_child,        ///< leaves a child running that nobody waits for any more
  signal_lost_in_race,        ///< forgets a signal that a race's loser was about to take
  recorded_on_arrival,        ///< journals completions as they come, not as they are delivered
  signal_not_marked_consumed, ///< does not journal which signal was consumed
  signal_not_carried_over,    ///< leaves unconsumed signals behind at a checkpoint
  early_signal_dropped,       ///< drops a signal that comes while the journal is being loaded
  branch_not_begun_again,     ///< forgets the last of the effects in flight when it goes live
  child_not_asked_again,      ///< sleeps over a restart although its child may have ended
  state_saved_at_checkpoint,  ///< saves a key's state before the invocation has succeeded
  // runtime/core/timer
  wakeup_lost,                ///< once it has fired does not look for the next timer
  // actors/flow
  key_released_early,         ///< lets the next one in before the key's state is durable
  second_writer_admitted,     ///< begins one although another has its key
  mail_lost_to_passivation,   ///< lets an actor go although a message is on its way to it
  concurrency_leaked,         ///< counts one that sleeps as running
  command_told_early,         ///< acknowledges signals and the like before they are durable
  idempotency_forgotten,      ///< does not write down an invocation's idempotency key
  admitted_twice,             ///< looks one idempotency key up twice at a time
  rollback_keeps_table,       ///< a rollback leaves the table of idempotency keys as it was
  sleeper_not_rearmed,        ///< does not arm the timers of sleepers at a restart
  deadline_not_rearmed,       ///< does not arm deadlines at a restart
  // actors/tool, actors/guard, actors/supervision
  pause_timer_lost,           ///< once a pause has ended arms no other one
  slot_leaked,                ///< keeps the slot of an attempt that was given up
  late_result_counted,        ///< lets a breaker count attempts that began before it tripped
  unsafe_retry,               ///< tries again what may have happened and must not happen twice
  mail_left_at_restart,       ///< leaves the mail of a service lying when it is back
  last_,
};

#ifdef TROUPE_PLANTED

namespace detail {
extern std::atomic<planted_bug> planted_now;
}

/// Whether this mistake is to be made.
inline bool planted(planted_bug b) noexcept {
  return detail::planted_now.load(std::memory_order_relaxed) == b;
}

/// Switches this one on, and the one before off. Between two runs only.
inline void plant(planted_bug b) noexcept {
  detail::planted_now.store(b, std::memory_order_relaxed);
}

#else

constexpr bool planted(planted_bug) noexcept {
  return false;
}

#endif

} // namespace troupe
