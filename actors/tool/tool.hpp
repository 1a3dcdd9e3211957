#pragma once
// A tool as a service: the actor that stands between agents and one thing outside.
//
// Whatever an agent calls may be slow, down, overloaded, or may have done its work and lost the
// answer. The actor of a tool deals with that once for all callers: it checks the arguments, bounds
// how many calls run and wait, gives each attempt its time and all of them one deadline, asks the
// breaker before each, tries again what may be tried again, and says of each failure whether the
// effect may have happened; or gives what its fallback has instead.
//
// It answers `call_request`, `call_cancel` and `reconcile_request` (runtime/core/call.hpp), and is
// found in the `directory` as `tool:NAME`; who starts it puts it there. Its events are described in
// actors/tool/README.md.
//
//     auto parts = make_tool_parts(options, env, transport);
//     auto actor = spawn_tool(system, {.env = env, .options = options, .parts = *parts,
//                                      .timer = timer});
//     env.services.put(tool_service_name(options.name), *actor, service_info_of(options));
//
// Lifecycle: ends by an exit message; every caller that waits then gets an error at once.

#include "actors/guard/breaker.hpp"
#include "actors/tool/tool_backend.hpp"
#include "actors/tool/tool_options.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/env.hpp"
#include "runtime/net/http_transport.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <string>
#include <string_view>

namespace troupe {

/// Requests that wait in a tool's mailbox; above it callers get `overloaded`. The actor takes some
/// 100,000 a second, so this is a tenth of a second.
inline constexpr std::uint32_t tool_mailbox_max = 10'000;

/// Longest wait for a backend to say how a cancelled attempt ended.
inline constexpr std::chrono::milliseconds tool_cancel_grace{1'000};

/// What guards a tool and outlives its actor. What is null is made anew.
struct tool_guards {
  std::shared_ptr<breaker> gate{};
  std::shared_ptr<answer_cache> answers{};
};

struct tool_setup {
  const environment& env;
  tool_options options;
  tool_parts parts;
  caf::actor timer;
  /// Where its checkpoints go, and what it begins with; both may be empty.
  caf::actor supervisor{};
  std::string child_id{};
  std::string checkpoint{};
  tool_guards guards{};
};

/// Starts the actor. `invalid_input` when the input schema is none.
result<caf::actor> spawn_tool(caf::actor_system& system, tool_setup setup);

/// Backend and reconciler as the options say. `not_found` for a function that nobody registered.
///
/// @param transport for http tools; outlives the parts
result<tool_parts> make_tool_parts(const tool_options& options, const environment& env,
                                   net::http_transport& transport);

/// Breaker and cache as the options say.
tool_guards make_tool_guards(const tool_options& options, const environment& env);

/// The same around a backend that is there already.
result<tool_parts> complete_tool_parts(const tool_options& options, const environment& env,
                                       net::http_transport& transport,
                                       std::shared_ptr<tool_backend> backend);

/// `tool:knowledge`
std::string tool_service_name(std::string_view tool);

/// What callers must know of it.
service_info service_info_of(const tool_options& options);

} // namespace troupe
