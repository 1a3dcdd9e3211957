#pragma once
// A topology, playing.
//
// Between the options that were read and a troupe that answers there is an order of things: what is
// shared first (clock, store, log), then those that serve (timer, reader, tools, models under their
// supervisors), then the dispatcher, which takes up what was open, and the doors last. At the end
// the same backwards. This class is that order.
//
//     auto running = config::cast::start(std::move(topology), {.events = &sink});
//     if (!running) ...
//     (*running)->drain(10s);      // no new work; what runs may end
//                                  // the destructor stops the rest: it resumes at the next start
//
// Threads: `start`, `drain`, `stop` and the destructor on one, which must not be an actor's.

#include "config/topology.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/store/store.hpp"
#include "runtime/telemetry/events.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <string>

namespace troupe {
class metrics;
}

namespace troupe::config {

/// What a topology does not say. What is pointed to outlives the cast.
struct cast_options {
  /// Beside the metrics, which always listen; null: nobody.
  event_sink* events = nullptr;
  /// Null: the operating system's.
  const time_source* clock = nullptr;
  random_source* chance = nullptr;
  /// In place of the topology's; for tests.
  std::unique_ptr<store::durable_store> store{};
  /// Whether the doors open at all; `[gateway] enabled` too must be true.
  bool http = true;
  /// The process can do nothing any more: it was fenced, or its root supervisor gave up. On any
  /// thread, perhaps several times; must not block.
  std::function<void(const error&)> on_fatal{};
};

class cast {
public:
  /// Loads the code, opens the store, starts everything.
  /// @returns `invalid_input` with all diagnostics, rendered, where code is missing; what the
  /// store,
  ///          a tool, a model or the HTTP server says where it cannot start
  static result<std::unique_ptr<cast>> start(topology what, cast_options options = {});

  ~cast();
  cast(const cast&) = delete;
  cast& operator=(const cast&) = delete;

  /// Takes no new work, and waits until nothing runs or `within` has passed; then closes the doors.
  /// @returns how many invocations were still running: they go on at the next start
  std::uint64_t drain(std::chrono::milliseconds within);

  /// Ends everything at once. What is open resumes at the next start. The destructor calls it.
  void stop();

  /// Calls `done` when nothing is queued, running or asleep, with the number of those that wait for
  /// a person. On an actor's thread; must not block.
  void when_idle(std::function<void(std::uint64_t stuck)> done);

  const caf::actor& dispatcher() const noexcept;
  const caf::actor& reader() const noexcept;
  caf::actor_system& system() noexcept;
  metrics& registry() noexcept;
  store::durable_store& store() noexcept;
  const topology& played() const noexcept;

  /// Where HTTP is served, `127.0.0.1:7070`; empty where it is not.
  std::string address() const;

private:
  struct parts;
  explicit cast(std::unique_ptr<parts> parts);

  std::unique_ptr<parts> parts_;
};

} // namespace troupe::config
