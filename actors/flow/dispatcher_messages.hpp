#pragma once
// What one can ask the dispatcher.

#include "runtime/core/messages.hpp"
#include "runtime/store/store.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// Told what becomes of an invocation, for those who are not actors (an HTTP session). Called on
/// the dispatcher's thread: must not block.
class invocation_observer {
public:
  virtual ~invocation_observer() = default;
  /// It is durable. `attached`: an earlier request with the same idempotency key had begun it.
  virtual void on_accepted(const std::string& id, bool attached) = 0;
  /// It has ended, durably.
  virtual void on_ended(const std::string& id, const outcome& how) = 0;
  /// It was not accepted.
  virtual void on_refused(const error& why) = 0;
  /// Its journal has grown.
  virtual void on_progress() {}
};

/// Run an agent. Answered with an `invocation_reply`: once it is durable, or with `wait` at its end.
struct invoke_request {
  std::string agent;
  std::string input;           ///< JSON text
  std::string idempotency_key; ///< empty: none
  utc_time deadline = never;
  std::string traceparent;
  std::string tenant{};        ///< for whom, also of all that it invokes; empty: its agent's
  bool wait = false;
  bool strict = false; ///< a repeat of one that still runs is a `conflict`; else it waits for it
  std::shared_ptr<invocation_observer> observer; ///< instead of the answer
};

struct invocation_reply {
  std::string id;
  store::status state = store::status::queued;
  bool attached = false;
  result<std::string> value;   ///< where it has ended
};

/// Answered with an `invocation_reply` at its end.
struct await_invocation {
  std::string id;
  std::shared_ptr<invocation_observer> observer; ///< instead of the answer; also gets progress
};

/// Forget an observer.
struct unfollow {
  std::string id;
  std::shared_ptr<invocation_observer> observer;
};

/// Answered with a `command_reply` once it is durable.
struct signal_request {
  std::string id;
  std::string name;
  std::string value = "null"; ///< JSON text
};

/// Answered with a `command_reply` once it is durable.
struct cancel_request {
  std::string id;
};

/// Begin the next run of a failed, paused, cancelled or quarantined invocation.
struct retry_request {
  std::string id;
};

/// Decide what became of a parked effect.
struct resolve_request {
  std::string id;
  journal::verdict decision = journal::verdict::done;
  std::string value = "null"; ///< where `done`
  /// Which one is meant; refused where another is settled first. Nothing: that one.
  std::optional<journal::address> at{};
};

struct command_reply {
  result<void> done;
};

/// Answered with a `dispatcher_stats`.
struct stats_request {};
struct agent_stats {
  std::string agent;
  std::uint64_t open = 0;    ///< accepted, not ended
  std::uint64_t waiting = 0; ///< of these: not yet begun
  std::uint64_t live = 0;    ///< of these: with an actor
};
struct dispatcher_stats {
  std::vector<agent_stats> agents;
  bool ready = false;        ///< recovery has read all that was open
  bool draining = false;
  std::uint64_t stuck = 0;   ///< parked, paused or quarantined
  std::optional<error> store_failure;
  std::uint64_t replayed_steps = 0; ///< recorded completions served since the start
};

/// Take no new work; answered with an `drained` when nothing runs any more, or after the time.
struct drain_request {
  std::chrono::milliseconds timeout{10'000};
};
struct drained {
  std::uint64_t left = 0; ///< still live: they go on at the next start
};

/// Answered with `idle` when nothing is queued, running or asleep.
struct idle_request {};
struct idle {
  std::uint64_t stuck = 0;   ///< wait for a person: a signal, a resolve, a retry
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::invoke_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::invocation_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::await_invocation)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::unfollow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::signal_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::cancel_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::retry_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::resolve_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::command_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::stats_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::dispatcher_stats)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::drain_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::drained)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::idle_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::idle)
