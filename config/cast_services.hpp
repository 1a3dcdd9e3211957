#pragma once
// Tools, models and their supervisors. Private to this room.

#include "config/assembly.hpp"
#include "runtime/core/result.hpp"

#include <caf/actor.hpp>

#include <functional>

namespace troupe::config {

struct services_setup {
  caf::actor_system& system;
  const environment& env;
  const topology& what;
  caf::actor timer;
  std::shared_ptr<net::http_transport> transport;
  const backend_factories& backends;
  std::function<void(const error&)> on_fatal;
  bool mcp = true; ///< starts the clients of MCP servers
  std::shared_ptr<tool_catalog> catalog{}; ///< of what they bring; may be null
  std::shared_ptr<budget_book> budgets{};  ///< of what models may cost; may be null
};

/// Starts them in the order of the supervisors' children and puts them into the directory.
/// @returns the root supervisor: its end ends them all
result<caf::actor> start_services(const services_setup& setup);

/// Waits until each MCP server is up or has failed, within its `start_timeout`: agents that go on
/// where they were then find their tools. Blocks; not on an actor's thread.
void await_mcp_servers(const services_setup& setup);

} // namespace troupe::config
