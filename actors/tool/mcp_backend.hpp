#pragma once
// The backend of a tool of an MCP server: hands attempts to the client. Private to actors/tool.

#include "actors/tool/mcp_tool.hpp"
#include "actors/tool/tool_backend.hpp"

#include <caf/actor_addr.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/fwd.hpp>

#include <memory>

namespace troupe {

/// One attempt. `backend` and `request.id` name it.
struct mcp_attempt {
  std::uint64_t backend = 0;
  std::shared_ptr<const mcp_tool> tool;
  mcp_result form = mcp_result::automatic;
  attempt_request request;
  attempt_done done;
};

struct mcp_attempt_cancel {
  std::uint64_t backend = 0;
  attempt_id id = 0;
};

/// @param client who takes `mcp_attempt`; its end is an answer too
/// @param number names it among the backends of one client
/// @param timeout of its attempts, without progress
/// @param progress_max with progress
std::shared_ptr<tool_backend> make_mcp_backend(caf::actor_addr client, std::uint64_t number,
                                               std::shared_ptr<const mcp_tool> tool,
                                               mcp_result form, std::chrono::milliseconds timeout,
                                               std::chrono::milliseconds progress_max);

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::mcp_attempt)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::mcp_attempt_cancel)
