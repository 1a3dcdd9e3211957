#pragma once
// What the parts of the gateway share. Private to this room.

#include "actors/flow/dispatcher_options.hpp"
#include "actors/gateway/gateway_options.hpp"
#include "actors/gateway/routes.hpp"
#include "runtime/core/env.hpp"
#include "runtime/net/http_server.hpp"
#include "runtime/telemetry/troupe_metrics.hpp"

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe {
class budget_book;
}

namespace troupe::gateway {

/// What nginx writes into its log for a client that did not wait; counted, never sent.
inline constexpr int client_gone_status = 499;

/// Counts requests by route and status.
class route_counts {
public:
  explicit route_counts(const troupe_metrics& numbers);
  void count(route r, int status, std::chrono::nanoseconds took) const;

private:
  counter_family requests_;
  std::vector<counter> ok_; ///< status 200, the hot one: no look-up
  std::vector<histogram> latency_;
};

class waiting_request;

/// Requests that wait for an end, by the moment at which they stop waiting. Thread-safe.
class wait_list {
public:
  using place = std::pair<utc_time, std::uint64_t>;

  /// True where the timer must be armed anew, for this `due`.
  bool add(utc_time due, std::weak_ptr<waiting_request> who, place& at);
  void remove(const place& at);
  /// Takes out who is due; the next due time, or `never`, is what the timer is armed for then.
  std::vector<std::shared_ptr<waiting_request>> take(utc_time now, utc_time& next);

private:
  std::mutex mutex_;
  std::map<place, std::weak_ptr<waiting_request>> waits_;
  std::uint64_t last_ = 0;
  utc_time armed_ = never;
};

struct rest_world {
  const environment& env;
  std::string tag; ///< of the store: the front of every id
  caf::actor dispatcher;
  caf::actor reader;
  caf::actor timer;
  gateway_options options;
  std::vector<agent_options> agents;
  metrics& registry;
  troupe_metrics numbers;
  route_counts counts{numbers};
  wait_list waits{};
  std::shared_ptr<budget_book> budgets{}; ///< null: there are none
  caf::actor helper{}; ///< answers what needs more than one question; set right after its birth
};

/// The right to answer one request, counted.
class answer_slot {
public:
  answer_slot() = default;
  answer_slot(net::responder out, route which, steady_time began)
    : out_(std::move(out)), which_(which), began_(began) {}

  void json(const rest_world& world, int status, std::string body, net::http_headers more = {});
  void problem(const rest_world& world, const error& why);
  /// Where the status that belongs to the code is not the right one here.
  void problem(const rest_world& world, int status, const error& why, net::http_headers more = {});
  /// The invocation has ended with this: a client that asks again would begin another.
  void ended_badly(const rest_world& world, const error& why);
  void text(const rest_world& world, std::string_view type, std::string body);

  net::responder& raw() noexcept { return out_; }
  void count(const rest_world& world, int status) const;
  explicit operator bool() const noexcept { return static_cast<bool>(out_); }

private:
  bool speaks_openai() const noexcept;

  net::responder out_;
  route which_ = route::unknown;
  steady_time began_{};
};

/// One request that the helper answers.
struct exchange {
  target at;
  net::http_server_request in;
  answer_slot out;
};

/// To the helper.
struct rest_call {
  std::shared_ptr<exchange> what;
};

/// To the helper: a followed invocation has something new (`over`: its last).
struct follow_progress {
  std::uint64_t follower = 0;
  bool over = false;
};

} // namespace troupe::gateway

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::rest_call)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::follow_progress)
