#pragma once
// The one log of a process: order, group commit, gate and rollback.
//
// If every agent committed for itself, each durable step would cost a sync of its own. All appends
// go into one queue instead; while one batch is being synced the next one fills up by itself. An
// append gets its log sequence number at once, and whoever must not act before it is durable (the
// gate) asks to be told.
//
// Lifecycle: made before any actor, lives until the last is gone. The committing is done by the
// `journal` actor, an ordinary scheduled one: on an idle machine it runs right behind the actor
// that appended, on the same worker, so that a lone step costs no thread switch.
//
// When a commit fails, all that was appended above the durable LSN is dropped, the *incarnation*
// goes up, and appends of an older incarnation are refused: whatever was computed on top of lost
// entries cannot leak. The observer (the dispatcher) is told, and told again when commits work.

#include "runtime/core/env.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/store/store.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

namespace troupe::journal {

struct log_options {
  /// Units in one commit. Bounds its latency: 4,096 units take about 10 ms here.
  std::size_t batch_units_max = 4096;
  /// Waiting units; above it `full()` is true and the dispatcher refuses new work.
  std::size_t queue_units_max = 200'000;
  /// First and longest pause between attempts to write after a failure.
  std::chrono::milliseconds probe_min{100};
  std::chrono::milliseconds probe_max{5'000};
  /// A unit of at least so many bytes is held to be the cause when its commit fails and smaller
  /// ones work; where these fail too, the disk takes nothing.
  std::size_t large_unit = 64U << 10U;
  /// How long units of its size are refused then; twice as long each time that one fails again.
  std::chrono::milliseconds refuse_min{5'000};
  std::chrono::milliseconds refuse_max{600'000};
};

/// What a commit cost, for metrics.
struct commit_report {
  std::size_t units = 0;
  std::chrono::microseconds took{};
  bool ok = true;
};

class commit_log {
public:
  commit_log(store::durable_store& store, const environment& env, log_options options = {});

  /// Puts `u` into the next commit. Thread-safe, never blocks on I/O.
  /// @param notify      gets `durable` after the commit; may be null
  /// @param incarnation as read by the caller when it began; an older one is refused
  /// @param ctx         the worker of the caller, or null
  /// @returns its LSN, or 0: refused, the caller must stop
  lsn append(store::unit u, caf::actor notify, std::uint64_t incarnation,
             caf::execution_unit* ctx);

  lsn durable_lsn() const noexcept { return durable_.load(std::memory_order_acquire); }
  std::uint64_t incarnation() const noexcept {
    return incarnation_.load(std::memory_order_acquire);
  }
  /// Whether commits fail now.
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  /// Whether the queue is above its bound.
  bool full() const noexcept { return depth_.load(std::memory_order_relaxed) > options_.queue_units_max; }
  /// Why commits fail; meaningful while `failed()`.
  error why() const;
  /// Whether so many bytes are more than the disk has shown to have room for. A failed commit takes
  /// everybody's work back, so what cannot succeed must not be tried again and again.
  std::optional<error> refuses(std::size_t bytes) const;

  /// The store, for the actors that may call it.
  store::durable_store& store() noexcept { return store_; }

  /// Starts the journal actor. `observer` gets `log_failed` and `log_recovered`.
  caf::actor start(caf::actor_system& system);
  void observe(caf::actor observer);
  /// Drops the handles, so that the actors can end.
  void stop();

  /// Called after each commit, on the committing thread. Set before `start`.
  std::function<void(const commit_report&)> on_commit;

private:
  friend class journal_actor;

  struct waiting {
    store::unit what;
    caf::actor notify;
  };

  store::durable_store& store_;
  const environment& env_;
  log_options options_;
  mutable std::mutex mutex_;
  std::vector<waiting> queue_;
  lsn next_;
  bool scheduled_ = false;
  error why_;
  std::chrono::milliseconds refuse_for_{0};
  steady_time refuse_until_{};
  error refuse_why_;
  caf::actor writer_;
  caf::actor observer_;
  std::atomic<std::size_t> depth_{0};
  std::atomic<lsn> durable_;
  std::atomic<std::uint64_t> incarnation_{1};
  std::atomic<bool> failed_{false};
  std::atomic<std::size_t> too_large_{0}; ///< bytes of the smallest unit that is refused; 0: none
};

/// Bytes of a unit that take room in the store.
std::size_t bytes_of(const store::unit& u) noexcept;

} // namespace troupe::journal
