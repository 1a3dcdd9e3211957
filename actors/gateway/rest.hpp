#pragma once
// The HTTP API of a troupe, over its dispatcher. Routes and answers: README.md in this folder.
//
// An agent is no use to a shop, a cron job or a person if it can only be reached from C++. This
// class stands between the HTTP server and the dispatcher: it reads a request, hands it on as a
// message, and answers when the dispatcher or the store's reader has something to say.
//
// Lifecycle: made when the dispatcher runs; `handle` is the server's handler; before the actor
// system goes, `end_streams`, then the server, then this object. Threads: `handle` on the server's
// I/O thread, everything else on any.

#include "actors/flow/dispatcher_options.hpp"
#include "actors/gateway/gateway_options.hpp"
#include "runtime/core/env.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/telemetry/metrics.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct invoke_request;

class budget_book;

namespace gateway {
struct rest_world;
struct target;
class answer_slot;
} // namespace gateway

/// What the gateway is made with. All that it refers to outlives it.
struct rest_setup {
  const environment& env;
  metrics& registry;
  std::string store_tag;
  caf::actor dispatcher;
  caf::actor reader;
  caf::actor timer;
  gateway_options options;
  std::vector<agent_options> agents;
  std::shared_ptr<budget_book> budgets{}; ///< of its models; null: there are none
};

class rest_gateway {
public:
  rest_gateway(caf::actor_system& system, rest_setup setup);
  ~rest_gateway();
  rest_gateway(const rest_gateway&) = delete;
  rest_gateway& operator=(const rest_gateway&) = delete;

  /// Answers one request, now or later. Never blocks.
  void handle(net::http_server_request in, net::responder out);

  /// Ends the streams of events, which would otherwise hold a drain up.
  void end_streams();

private:
  bool allowed(const net::http_server_request& in) const;
  bool is_here(std::string_view authority) const;
  bool from_elsewhere(const net::http_server_request& in) const;
  void invoke(gateway::target at, net::http_server_request in, gateway::answer_slot out);
  void complete(net::http_server_request in, gateway::answer_slot out);
  void models(const gateway::target& at, gateway::answer_slot out) const;
  bool begin_request(const net::http_server_request& in, invoke_request& r,
                     gateway::answer_slot& out) const;
  idempotency_rule rule_of(const std::string& agent) const;

  std::shared_ptr<gateway::rest_world> world_;
};

/// What the server needs to know of these options.
net::http_server_options server_options(const gateway_options& options);

} // namespace troupe
