#pragma once
// What plays a topology, in its order.
//
// Between the options that were read and a troupe that answers there is an order of things: the log
// and what serves it (timer, reader), tools and models under their supervisors, then the dispatcher,
// which takes up what was open. Both the binary (cast.hpp) and the test kit's stage assemble their
// troupe here, so that a test runs what the binary runs; they differ in what is handed in: the
// actor system and its scheduler, clock, chance, store, transport, and how backends are made.
//
// Lifecycle: what the setup refers to outlives the assembly, and the actor system outlives it too.
// `stop` asks the actors to end; who owns the system waits for that before the assembly goes, for
// they refer to its log. Threads: `start` and `stop` on one, which is not an actor's.

#include "actors/flow/dispatcher_options.hpp"
#include "actors/llm/model_backend.hpp"
#include "actors/tool/tool_backend.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "config/topology.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/invocation.hpp"
#include "runtime/core/result.hpp"
#include "runtime/journal/log.hpp"
#include "runtime/net/http_transport.hpp"
#include "runtime/store/store.hpp"

#include <caf/actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/fwd.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace troupe::config {

/// What a backend may be made with.
struct backend_setup {
  caf::actor_system& system;
  const environment& env;
  const topology& what;
  caf::actor timer;
  std::shared_ptr<net::http_transport> transport;
};

/// How tools and models reach the outside: called once for each, at the start. Backends are kept
/// over restarts of the actors before them.
struct backend_factories {
  std::function<result<tool_parts>(const tool_options&, const backend_setup&)> tool;
  std::function<result<std::shared_ptr<model_backend>>(const endpoint_options&,
                                                       const backend_setup&)>
    model;
};

/// Those of the binary: functions, HTTP, processes, models.
backend_factories real_backends();

struct assembly_setup {
  caf::actor_system& system;
  const environment& env;
  const topology& what;
  store::durable_store& store;
  std::shared_ptr<net::http_transport> transport;
  backend_factories backends = real_backends();
  /// Starts the clients of MCP servers and waits, within their `start_timeout`, for their tools.
  /// Not on a stage, which has neither processes nor time to wait: there their tools are doubles.
  bool mcp = true;
  /// Nothing: as the topology says.
  std::optional<invocation_options> invocations{};
  /// The process can do nothing any more: it was fenced, the root supervisor gave up, or an actor
  /// without which nothing works has died. On any thread, perhaps several times; must not block.
  std::function<void(const error&)> on_fatal{};
  /// After each commit, on the committing thread.
  std::function<void(const journal::commit_report&)> on_commit{};
};

class assembly {
public:
  explicit assembly(assembly_setup setup);
  ~assembly();
  assembly(const assembly&) = delete;
  assembly& operator=(const assembly&) = delete;

  /// Once. @returns what a tool, a model or a supervisor says where it cannot start; what was
  ///          started by then is to be stopped
  result<void> start();

  /// Ends everything, in the order: who takes work, who does it, who serves them. `kill`: at once,
  /// as the end of a process does. Drops all handles.
  void stop(caf::exit_reason how = caf::exit_reason::user_shutdown);

  const caf::actor& dispatcher() const noexcept { return dispatcher_; }
  const caf::actor& reader() const noexcept { return reader_; }
  const caf::actor& timer() const noexcept { return timer_; }
  journal::commit_log& log() noexcept { return log_; }
  /// Null where the topology has none.
  const std::shared_ptr<budget_book>& budgets() const noexcept { return budgets_; }

private:
  void watch();
  std::shared_ptr<budget_book> make_budgets();

  assembly_setup setup_;
  journal::commit_log log_;
  std::shared_ptr<tool_catalog> catalog_;
  std::shared_ptr<budget_book> budgets_;
  caf::actor journal_, timer_, reader_, store_breaker_, root_, dispatcher_;
};

/// The agents of a topology, each with its name, and with the class that is registered for it.
std::vector<agent_options> agents_of(const topology& what);

} // namespace troupe::config
