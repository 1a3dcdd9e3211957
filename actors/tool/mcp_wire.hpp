#pragma once
// MCP's messages as text: what is said to a server, and what its answers say. Pure.
//
// Two eras. Up to 2025-11-25 a client and a server begin with `initialize` and then speak within a
// session; from 2026-07-28 each request carries version and capabilities in its `_meta`.

#include "runtime/core/result.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

inline constexpr std::string_view mcp_modern_version = "2026-07-28";
/// The newest first: it is the one that we ask for.
inline constexpr std::array<std::string_view, 4> mcp_legacy_versions{"2025-11-25", "2025-06-18",
                                                                     "2025-03-26", "2024-11-05"};

/// The answer of a server that could not, or would not.
struct rpc_failure {
  std::int64_t code = 0;
  std::string message;
  std::string data; ///< JSON text; empty: none
};

/// Codes that only modern servers know.
inline constexpr std::int64_t rpc_header_mismatch = -32020;
inline constexpr std::int64_t rpc_missing_capability = -32021;
inline constexpr std::int64_t rpc_unsupported_version = -32022;
constexpr bool is_modern_failure(std::int64_t code) noexcept {
  return code <= rpc_header_mismatch && code >= rpc_unsupported_version;
}
inline constexpr std::int64_t rpc_method_not_found = -32601;
inline constexpr std::int64_t rpc_invalid_params = -32602;

/// One message of a server.
struct rpc_message {
  std::string id;     ///< JSON text; empty: a notification
  std::string method; ///< empty: a response
  std::string params; ///< JSON text
  std::string result; ///< JSON text
  std::optional<rpc_failure> failure;

  /// The id as one of ours; 0 where it is none.
  std::uint64_t number() const;
};

/// All messages in `text`: one, or a batch as the revision 2025-03-26 has them. An error for what is
/// not JSON-RPC.
result<std::vector<rpc_message>> read_rpc(std::string_view text, std::size_t size_max);

/// @param params JSON text of an object
std::string rpc_request(std::uint64_t id, std::string_view method, std::string_view params);
std::string rpc_notification(std::string_view method, std::string_view params);
/// @param id as it stood in the request
std::string rpc_result(std::string_view id, std::string_view result);
std::string rpc_refusal(std::string_view id, std::int64_t code, std::string_view message);

/// What goes along with a request.
struct mcp_meta {
  bool modern = false;
  std::uint64_t progress_token = 0; ///< 0: no progress is asked for
  std::string key;                  ///< idempotency key, for servers that look for it
};
/// An object of `fields` (members without braces, perhaps none) and `_meta`.
std::string mcp_params(std::string_view fields, const mcp_meta& meta);

std::string initialize_params();
/// Members for `tools/call`.
std::string call_fields(std::string_view tool, std::string_view arguments);

/// What `initialize` or `server/discover` tells.
struct mcp_hello {
  std::string version; ///< that both will speak
  std::string server;  ///< name and version, for people
  bool has_tools = false;
  bool tools_change = false; ///< it says so when its tools change
};
/// `failed` for a version that we do not speak.
result<mcp_hello> read_initialize(std::string_view result_json);
result<mcp_hello> read_discover(std::string_view result_json);
/// The versions that an answer with `rpc_unsupported_version` offers instead.
std::vector<std::string> offered_versions(const rpc_failure& failure);
/// What to say where none of them is ours.
error version_mismatch(const std::vector<std::string>& theirs);
/// The first of our legacy versions among them; empty: none.
std::string_view common_legacy_version(const std::vector<std::string>& offered);

/// One page of `tools/list`.
struct tools_page {
  std::vector<std::string> tools; ///< JSON text of each
  std::string next;               ///< cursor; empty: the last page
};
result<tools_page> read_tools(std::string_view result_json);

/// Whose progress `notifications/progress` tells of; 0: of nothing that is ours.
std::uint64_t progress_token(std::string_view params_json);

/// What a failure means for a call: its code, and whether it may have happened.
error call_failure(const rpc_failure& failure);

} // namespace troupe
