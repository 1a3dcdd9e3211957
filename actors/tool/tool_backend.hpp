#pragma once
// What carries out the attempts of a tool: a C++ function, an HTTP request, a process.
//
// The tool's actor knows about deadlines, retries and queues; a backend knows how to make one
// attempt and what its failure means. A backend of one's own is all that a new kind of tool needs.

#include "runtime/core/clock.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/result.hpp"

#include <caf/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe {

/// Names one attempt, unique within its backend.
using attempt_id = std::uint64_t;

/// One attempt of a call.
struct attempt_request {
  attempt_id id = 0;
  std::string body;           ///< arguments, JSON text
  std::string key;            ///< idempotency key, the same for all attempts
  std::string invocation;
  std::string agent;
  effect_class cls = effect_class::at_most_once;
  std::uint32_t attempt = 1;
  std::chrono::milliseconds timeout{3'000}; ///< of this attempt
  utc_time deadline = never;                ///< of the call
};

/// Takes JSON text, or an error whose `outcome` says whether the effect may have happened. From any
/// thread, exactly once for each `start`, also after `cancel`; possibly before `start` returns.
using attempt_done = std::function<void(result<std::string>)>;

/// Thread-safe. Outlives the actors that use it: a restarted tool goes on with the same backend.
class tool_backend {
public:
  virtual ~tool_backend() = default;

  /// Begins an attempt. An exception out of it is a bug, and takes the place of `done`.
  virtual void start(attempt_request request, attempt_done done) = 0;

  /// Stops an attempt: its socket is closed, its process ended, its flag set. Nothing happens when
  /// it has ended already.
  virtual void cancel(attempt_id id) = 0;

  /// Called before each start of the tool's actor, for backends that need actors of their own.
  virtual void attach(caf::actor_system&) {}

  /// How long after its timeout a backend that keeps the timeout itself may still take to say how
  /// the attempt ended: it knows better than the actor whether anything was sent.
  virtual std::chrono::milliseconds grace() const { return std::chrono::milliseconds{0}; }
};

/// What a tool is made of, beside its options.
struct tool_parts {
  std::shared_ptr<tool_backend> backend;
  /// Answers `{"state": "done" | "not_done" | "unknown", "result": ..}` about a call with the same
  /// key and arguments; null where there is none, or where another tool does it.
  std::shared_ptr<tool_backend> reconciler;
  /// `fallback.function`; quick, on the actor's thread. Null where there is none.
  std::function<result<std::string>(const attempt_request&)> fallback{};
};

} // namespace troupe
