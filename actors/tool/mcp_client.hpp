#pragma once
// An MCP server as a member of the troupe.
//
// A server brings its own tools, and with them everything that a program of somebody else's can do:
// it is not there yet, prints rubbish, dies in the middle of a call, forgets its session, changes
// its tools. The client is the one actor that speaks with one server. It starts it, finds out which
// protocol it speaks, asks for its tools, and puts each into the directory as `tool:SERVER.TOOL`,
// an actor like that of any other tool (tool.hpp), under a supervisor of its own. Those send their
// attempts here.
//
// The client itself is in the directory as `tool:SERVER.*`, where the directory sends a call for a
// tool that is not there: it waits while the server is coming up, and is told which tools there are
// once it is.
//
// Lifecycle: an exit message ends the server politely (its stdin is closed, then SIGTERM, then
// SIGKILL), every call in flight gets an error at once. What exactly happens when stands in
// actors/tool/README.md under "MCP servers".

#include "actors/tool/mcp_transport.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "runtime/core/env.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe {

/// Calls that wait for a server that is coming up; above it callers get `overloaded`.
inline constexpr std::size_t mcp_held_max = 1'000;

/// Longest wait of a call for a tool that nobody knows yet.
inline constexpr std::chrono::milliseconds mcp_unknown_tool_wait{10'000};

/// Asks a client whether its server is up. Answered with an `mcp_status` once that is known: at the
/// first success, or at the first failure.
struct mcp_await_first {};

struct mcp_status {
  bool up = false;
  std::size_t tools = 0;
  std::string why; ///< where it is not up
};

struct mcp_setup {
  const environment& env;
  mcp_options options;
  /// Called for each life of the actor.
  std::function<std::unique_ptr<mcp_transport>()> connect;
  caf::actor timer;
  /// For reconcilers of its tools.
  std::shared_ptr<net::http_transport> http;
  /// Where it says what its tools are for; may be null.
  std::shared_ptr<tool_catalog> catalog{};
};

caf::actor spawn_mcp_client(caf::actor_system& system, mcp_setup setup);

/// `tool:fs.*`
std::string mcp_service_name(std::string_view server);

/// What callers must know of a tool that is not known yet: the worst.
service_info mcp_service_info(const mcp_options& options);

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::mcp_await_first)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::mcp_status)
