#pragma once
// The transports that there are; see mcp_transport.hpp for what they do.

#include "actors/tool/mcp_transport.hpp"

namespace troupe {

/// A process, with a line for each message.
std::unique_ptr<mcp_transport> make_mcp_stdio(const mcp_options& options);

/// Streamable HTTP: a POST for each message, answered by JSON or by a stream of events.
std::unique_ptr<mcp_transport> make_mcp_http(const mcp_options& options,
                                             net::http_transport& transport,
                                             const time_source& clock);

} // namespace troupe
