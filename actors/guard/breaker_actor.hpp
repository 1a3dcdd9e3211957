#pragma once
// The actor of a breaker: what takes time, or comes as a message.
//
// It answers `breaker_query`, `breaker_command` and `permit_request` (breaker_messages.hpp), wakes
// an open breaker when its time is over, ends the permits of actors that die, and hands a checkpoint
// to its supervisor at each change. Who calls through a tool or a model never meets it.
//
// Lifecycle: ends by an exit message. The state stays with those that it guards, so a restarted
// actor finds it as it is; a state that is made anew begins with the checkpoint.

#include "actors/guard/breaker.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <memory>
#include <string>

namespace troupe {

namespace journal {
class commit_log;
}

/// Requests that wait for it; above it they are refused. People and probes are few.
inline constexpr std::uint32_t breaker_mailbox_max = 1'000;

/// Permits that are lent by message at once.
inline constexpr std::size_t permits_lent_max = 10'000;

struct breaker_setup {
  std::shared_ptr<breaker> state;
  const environment& env;
  caf::actor timer;
  /// Where its checkpoints go, and what it begins with; both may be empty.
  caf::actor supervisor{};
  std::string child_id{};
  std::string checkpoint{};
};

caf::actor spawn_breaker(caf::actor_system& system, breaker_setup setup);

/// `breaker:tool:ticketing`, for the service `tool:ticketing`.
std::string breaker_service_name(std::string_view service);

/// What the names of all breakers in the directory begin with.
inline constexpr std::string_view breaker_prefix = "breaker:";

/// Shows the store as a breaker, `breaker:store`. It has a stricter one of its own (see
/// runtime/journal/log.hpp): the first commit that fails opens it, and only a commit that succeeds
/// closes it, so it takes no orders.
caf::actor spawn_store_breaker(caf::actor_system& system, const journal::commit_log& log);

} // namespace troupe
