#pragma once
// Carries out a tool by one HTTP request, and asks about it by another.

#include "actors/tool/tool_backend.hpp"
#include "actors/tool/tool_options.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/net/http_transport.hpp"

#include <memory>

namespace troupe {

/// @param transport outlives the backend, and calls back before it ends
std::shared_ptr<tool_backend> make_http_backend(const http_tool_options& options,
                                                net::http_transport& transport,
                                                const time_source& clock);

/// The request of `reconcile`, with the tool's headers, success rule and limits.
std::shared_ptr<tool_backend> make_http_reconciler(const reconcile_options& reconcile,
                                                   const http_tool_options& options,
                                                   net::http_transport& transport,
                                                   const time_source& clock);

} // namespace troupe
