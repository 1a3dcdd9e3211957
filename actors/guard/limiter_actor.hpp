#pragma once
// The actor of a limiter, `limiter:NAME` in the directory: it lets those go that wait.
//
// Woken when a place is free or somebody has come, and by time when tokens have. Answers
// `limiter_query` with `limiter_info`.
//
// Lifecycle: ends by an exit message. Who waits, and what is in flight, stays with the shared state,
// so while it is down those that wait do so a little longer, and its successor goes on.

#include "actors/guard/limiter.hpp"
#include "actors/supervision/supervisor.hpp"

#include <memory>

namespace troupe {

/// Requests that wait for it; above it they are refused. People are few.
inline constexpr std::uint32_t limiter_mailbox_max = 1'000;

/// How it stands. Answered with `limiter_info`.
struct limiter_query {};

caf::actor spawn_limiter(caf::actor_system& system, caf::actor timer,
                         std::shared_ptr<limiter> state);

/// A specification of the child that stands before `id`, the one that it meters, under the same
/// supervisor, as `service`. `system` outlives it.
child_spec limiter_child(caf::actor_system& system, caf::actor timer, const std::string& id,
                         std::string service, std::shared_ptr<limiter> state);

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::limiter_query)
