#pragma once
// The actor on which the attempts of an async tool run. Private to actors/tool; see tool_class.hpp.

#include "actors/tool/tool_backend.hpp"
#include "actors/tool/tool_class.hpp"
#include "runtime/core/env.hpp"
#include "runtime/net/http_transport.hpp"

#include <caf/event_based_actor.hpp>

#include <memory>
#include <unordered_map>
#include <vector>

namespace troupe::detail {

class async_host;

/// One attempt, while its coroutine lives.
struct async_attempt {
  async_host* host = nullptr;
  attempt_id id = 0;
  tool_context about;
  utc_time until = never; ///< the end of the attempt
  attempt_done done;
  std::uint32_t calls = 0; ///< of other tools, so far
  scope frames;            ///< last: the coroutine ends before what it uses
};

/// Messages of the backend and of the transport's thread.
struct async_start {
  attempt_request request;
  attempt_done done;
};
struct async_stop {
  attempt_id id = 0;
};
struct async_answer {
  std::uint64_t wait = 0;
  result<net::http_response> got;
};
/// The host to itself: the frames can go.
struct async_over {
  attempt_id id = 0;
};

class async_host final : public caf::event_based_actor {
public:
  async_host(caf::actor_config& cfg, function_tool function, const environment& env,
             net::http_transport& transport);

  const char* name() const override { return "async_tool"; }
  void on_exit() override;

  const environment& env() const noexcept { return env_; }

  /// Where a coroutine waits for an HTTP answer.
  struct http_wait {
    async_attempt* attempt = nullptr;
    scope* home = nullptr;
    std::uint64_t chain = 0;
    net::request_id request = 0;
    result<net::http_response>* got = nullptr; ///< in the frame that waits
  };
  void send_http(http_wait wait, net::http_request request);

  /// Another service that works for an attempt.
  struct inner_call {
    attempt_id attempt = 0;
    caf::actor service;
  };
  void began(call_id id, inner_call c) { inner_[id] = std::move(c); }
  void ended(call_id id) { inner_.erase(id); }

protected:
  caf::behavior make_behavior() override;

private:
  async<void> serve(async_attempt* a, std::string arguments);
  void on_start(async_start& s);
  void on_answer(async_answer& a);
  void stop(attempt_id id, error why);
  void finish(async_attempt* a, result<std::string> outcome);

  function_tool function_;
  const environment& env_;
  net::http_transport& transport_;
  std::uint64_t last_wait_ = 0;
  std::unordered_map<std::uint64_t, http_wait> waits_;
  std::unordered_map<call_id, inner_call> inner_;
  std::unordered_map<attempt_id, std::unique_ptr<async_attempt>> attempts_;
};

} // namespace troupe::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::async_start)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::async_stop)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::async_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::async_over)
