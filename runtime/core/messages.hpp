#pragma once
// The messages between an invocation's actor, the journal, the timer and the dispatcher.

#include "runtime/core/call.hpp"
#include "runtime/journal/entry.hpp"
#include "runtime/store/store.hpp"

#include <caf/actor.hpp>
#include <caf/actor_addr.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

using journal::invocation_no;
using journal::lsn;

// -- journal ------------------------------------------------------------------------------------

/// To the journal: something was appended.
struct flush_log {};

/// To the journal: see whether the store takes writes again.
struct probe_log {};

/// To whoever asked for it at `append`: all up to `at` is durable.
struct durable {
  lsn at = 0;
  invocation_no invocation = 0; ///< of the unit that it was asked with
};

/// To the log's observer: a commit failed; everything above `durable` is gone.
struct log_failed {
  error why;
};

/// To the log's observer: commits succeed again.
struct log_recovered {};

// -- reader -------------------------------------------------------------------------------------

/// To the reader: all that the store holds of an invocation. Answered with a `history`.
struct load_history {
  invocation_no no = 0; ///< 0: only the saved state
  std::string agent; ///< with `key`: also this keyed agent's saved state
  std::string key;
};

/// The journal of one invocation, checked and with its blobs fetched.
struct history {
  result<std::vector<journal::row>> rows;
  std::optional<std::string> state; ///< saved state of its key
};

// -- timer --------------------------------------------------------------------------------------

/// To the timer: send `timer_fired{id}` to `who` at `due`. Replaces an earlier one with this id.
struct arm_timer {
  caf::actor who;
  std::uint64_t id = 0;
  utc_time due{};
};

/// To the timer: forget all that was armed for `who`.
struct disarm_timers {
  caf::actor_addr who;
};

struct timer_fired {
  std::uint64_t id = 0;
};

// -- dispatcher to invocation -------------------------------------------------------------------

/// How a child or an invocation ended.
struct outcome {
  store::status state = store::status::completed;
  result<std::string> value;
};

/// A child invocation was accepted (for `send`) or has ended (for `invoke`).
struct child_reported {
  journal::address at;
  std::uint32_t generation = 0;
  std::string key; ///< the child's: one of an earlier run may still be on its way at this address
  result<std::string> value;
};

struct signal_arrived {
  std::uint64_t id = 0;
  std::string name;
  std::string value;
};

struct cancel_arrived {
  journal::cancel_reason reason = journal::cancel_reason::requested;
};

struct resolution_arrived {
  journal::resolved what;
};

/// The key is its own again: load the state, go on.
struct key_granted {};

/// The answer to `passivate_me`: go (your journal stays), or stay, something is on its way to you.
struct passivation_answered {
  bool go = false;
};

// -- invocation to dispatcher -------------------------------------------------------------------

/// An agent asks for a child. Answered with `child_reported`: at once for `send`, at its end for
/// `invoke`.
struct child_requested {
  invocation_no parent = 0;
  journal::address at;
  std::uint32_t run = 0;
  std::uint32_t generation = 0;
  std::string agent;
  std::string input;
  std::string key;          ///< idempotency key, from the parent's address
  utc_time deadline = never;
  bool waits = true;        ///< `invoke`, not `send`
  bool fresh = true;        ///< surely not accepted before: the store need not be asked
};

/// An invocation's actor has come to an end of its work. `at` is the LSN of the row that says so.
struct invocation_ended {
  invocation_no no = 0;
  lsn at = 0;
  outcome how;
};

/// It cannot go on without somebody: `paused` or `quarantined`. The actor is gone; `at` is the LSN
/// of its last row.
struct invocation_stopped {
  invocation_no no = 0;
  lsn at = 0;
  store::status state = store::status::paused;
  error why;
};

/// An exception ended its actor. It wants to be begun again after a backoff. `at` as above.
struct invocation_died {
  invocation_no no = 0;
  lsn at = 0;
  std::uint32_t deaths = 0;
  std::string what;
};

/// It waits for long. `received` counts the messages that it has had from the dispatcher.
struct passivate_me {
  invocation_no no = 0;
  std::uint32_t received = 0;
  utc_time wake_at = never;
  bool parked = false;       ///< it waits for a person's decision
};

/// A keyed agent waits for a signal and lets others in (`yields`). Its state is durable.
struct key_released {
  invocation_no no = 0;
};

/// It wants its key back. Answered with `key_granted`.
struct key_wanted {
  invocation_no no = 0;
};

/// A child that its parent waited for has lost a race: it is cancelled.
struct child_abandoned {
  std::string agent;
  std::string key;
};

/// A call that nobody waits for any more may have happened. Once it cannot be in flight any more,
/// its service is asked and the journal is told.
struct settle_later {
  invocation_no no = 0;
  reconcile_request what;
  utc_time landed{};
  bool business = false;     ///< the ledger is told too
  utc_time expires = never;  ///< of its claim, where it is done
};

/// It has consumed a signal: there is room for another one.
struct signal_consumed {
  invocation_no no = 0;
};

/// Something that followers of its events want to see has become durable.
struct journal_grew {
  invocation_no no = 0;
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::flush_log)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::probe_log)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::durable)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::log_failed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::log_recovered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::load_history)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::history)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::arm_timer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::disarm_timers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::timer_fired)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::child_reported)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::signal_arrived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::cancel_arrived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::resolution_arrived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::passivation_answered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::child_requested)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::invocation_ended)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::invocation_stopped)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::invocation_died)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::passivate_me)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::key_granted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::key_released)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::key_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::child_abandoned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::settle_later)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::signal_consumed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::journal_grew)
