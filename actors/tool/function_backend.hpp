#pragma once
// Carries out a tool by calling a C++ function.

#include "actors/tool/function_tool.hpp"
#include "actors/tool/tool_backend.hpp"

#include <cstddef>
#include <memory>

namespace troupe {

/// Most threads of one blocking tool; a higher `concurrent` waits in line for them. Each reserves a
/// stack of 8 MiB of addresses.
inline constexpr std::size_t function_threads_max = 64;

/// @param threads 0: calls the function on the thread of the tool's actor. The destructor waits for
///                functions that are running.
std::shared_ptr<tool_backend> make_function_backend(function_tool function, std::size_t threads);

/// Calls `function` on this thread. An exception out of it is an `internal` error.
result<std::string> call_function(const function_tool& function, const attempt_request& r,
                                  std::stop_token stop);

} // namespace troupe
