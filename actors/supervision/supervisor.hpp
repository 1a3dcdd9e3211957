#pragma once
// A supervisor, as in Erlang/OTP: it starts its children in order, hears of their deaths, and
// decides who is started again.
//
// Service actors (tools, models, a user's own) hold connections, queues and counters, and have
// bugs. One that dies must neither stay dead nor take the process with it; one that cannot live
// must not be restarted for ever. The supervisor restarts within limits, from the child's last
// checkpoint, and escalates when the limits are exceeded: first to its own supervisor, at the root
// to `on_give_up`.
//
//     child_spec ticketing{.options = {.id = "tools.ticketing"},
//                          .start = [&](const child_start& s) { return spawn_tool(...); },
//                          .service = "tool:ticketing", .info = ...};
//     auto root = spawn_supervisor(system, {.env = env, .options = {...}, .children = {ticketing},
//                                           .timer = timer, .on_give_up = stop_the_process});
//
// A supervisor is a child like any other: `start` spawns one. What exactly happens at a death, and
// why, stands in actors/supervision/README.md.
//
// Lifecycle: an exit message stops the children in reverse order, each in its `shutdown` time, then
// the supervisor. Killed, it kills them.

#include "actors/supervision/supervisor_options.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/result.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace troupe {

/// Checkpoints that are kept of each child.
inline constexpr std::size_t checkpoints_kept = 5;
/// Bytes of one checkpoint; a child that saves more is stopped: its state could not be restored.
inline constexpr std::size_t checkpoint_size_max = std::size_t{1} << 20;
/// A child that dies within this time after its start has died "at once", and its checkpoint is
/// held to be the cause: the next start gets the one before.
inline constexpr std::chrono::milliseconds checkpoint_proven_after{5'000};
/// A child that outlives being killed by this much (it blocks its thread) is given up and reported.
inline constexpr std::chrono::milliseconds kill_patience{5'000};

/// What a child is started with.
struct child_start {
  caf::actor supervisor;  ///< takes `save_checkpoint`
  std::string id;
  std::string checkpoint; ///< empty: from nothing
};

struct child_spec {
  child_options options;
  /// Called on the supervisor's thread, the first time in `spawn_supervisor`. An error or an
  /// exception is a failed start.
  std::function<result<caf::actor>(const child_start&)> start;
  /// Name in the directory, kept up to date over restarts; empty: none.
  std::string service{};
  service_info info{};
  /// When it ends and is not restarted, the supervisor ends too (OTP's any_significant).
  bool significant = false;
};

struct supervisor_setup {
  const environment& env;
  supervisor_options options;
  std::vector<child_spec> children; ///< in start order; `options.children` is not read
  caf::actor timer;
  /// Instead of escalating, at the root. On the supervisor's thread, once, when its children are
  /// stopped; must not block.
  std::function<void(const error&)> on_give_up{};
};

/// Starts the children, then supervises. Where a child cannot be started the first time, those
/// before it are stopped again, and its error is returned: that is a mistake, not an accident.
result<caf::actor> spawn_supervisor(caf::actor_system& system, supervisor_setup setup);

} // namespace troupe
