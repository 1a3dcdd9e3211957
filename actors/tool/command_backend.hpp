#pragma once
// Carries out a tool by running a program: JSON on stdin, JSON on stdout, no shell.

#include "actors/tool/tool_backend.hpp"
#include "actors/tool/tool_options.hpp"

#include <cstddef>
#include <memory>

namespace troupe {

/// Most programs of one tool at a time; a higher `concurrent` waits in line.
inline constexpr std::size_t command_threads_max = 64;

/// The arguments go to stdin. Exit code 0 is success and stdout its result (none is null); another
/// is `failed`, definitely: the program has said so. Ended by a signal, by its time or by a limit,
/// it may have done its work.
///
/// @param threads one for each program that runs; the destructor waits for them
std::shared_ptr<tool_backend> make_command_backend(const command_tool_options& options,
                                                   std::size_t threads);

/// `reconcile.argv`, under the limits of `options`: gets `{"idempotency_key", "arguments"}` on
/// stdin.
std::shared_ptr<tool_backend> make_command_reconciler(const reconcile_options& reconcile,
                                                      const command_tool_options& options);

/// What a reconciler is asked: `{"idempotency_key": key, "arguments": arguments}`.
std::string reconcile_question(std::string_view key, std::string_view arguments);

} // namespace troupe
