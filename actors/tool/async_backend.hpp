#pragma once
// Carries out a tool by the coroutines of a C++ class; see tool_class.hpp.

#include "actors/tool/function_tool.hpp"
#include "actors/tool/tool_backend.hpp"
#include "runtime/core/env.hpp"
#include "runtime/net/http_transport.hpp"

#include <memory>

namespace troupe {

/// Its coroutines run on an actor of their own, which begins with the first tool that is attached
/// and ends with the backend: so the backend must end before the actor system.
///
/// @param env, transport outlive the backend
std::shared_ptr<tool_backend> make_async_backend(function_tool function, const environment& env,
                                                 net::http_transport& transport);

} // namespace troupe
