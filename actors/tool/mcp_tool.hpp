#pragma once
// One tool of an MCP server: what the server says of it, and what becomes of what it answers. Pure.
//
// A server's word on its tools is used as far as it can be checked or does no harm: schemas are
// enforced in both directions, annotations count only where the server is trusted. Patterns in the
// schemas of a server that is not are left out: they are programs that run here.

#include "actors/tool/mcp_options.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/schema_validator.hpp"
#include "runtime/net/http_headers.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// An argument that modern HTTP wants in a header too.
struct mcp_argument_header {
  std::string header;            ///< `Mcp-Param-Region`
  std::vector<std::string> path; ///< of the argument

  bool operator==(const mcp_argument_header&) const = default;
};

struct mcp_tool {
  std::string name;
  std::string description;
  std::string input_schema; ///< JSON text
  std::optional<schema_validator> output;
  effect_class effect = effect_class::at_most_once; ///< as its annotations have it
  std::vector<mcp_argument_header> headers;
  std::string definition; ///< as the server gave it: the same text is the same tool
};

/// Longest name that is taken: MCP's own bound.
inline constexpr std::size_t mcp_tool_name_max = 128;

/// `invalid_input` for what cannot be called safely: no name that can stand in ours, a schema that
/// cannot be enforced, headers that must not be.
result<mcp_tool> read_mcp_tool(std::string_view definition, bool trusted);

/// Its name in troupe: `fs.read_file`.
std::string mcp_tool_name(std::string_view server, std::string_view tool);

/// `Mcp-Param-*` of one call.
net::http_headers argument_headers(const mcp_tool& tool, std::string_view arguments);

/// A value that may stand in a header: itself, or base64 where it could not.
std::string header_value(std::string_view text);

/// What the answer to `tools/call` means: the result as JSON text; `failed`, definitely, where the
/// tool says that it failed; `schema_mismatch` (it did happen) where it breaks its own promise.
result<std::string> mcp_outcome(std::string_view result_json, const mcp_tool& tool,
                                mcp_result form);

} // namespace troupe
