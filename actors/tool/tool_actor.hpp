#pragma once
// The actor of a tool: calls, attempts, slots and waits. Private to actors/tool; see tool.hpp.
//
// A call is one coroutine and one entry of `calls_`. It waits in one place, `waits_`, for a slot, an
// answer, a pause or a cancellation. An attempt has an id of its own and keeps its slot until its
// backend says that it is over, even where the call has given it up: a far side that hangs must not
// get more than `concurrent` at a time.

#include "actors/guard/bounded_actor.hpp"
#include "actors/guard/bulkhead.hpp"
#include "actors/guard/call_waits.hpp"
#include "actors/guard/latency_quantile.hpp"
#include "actors/guard/retry.hpp"
#include "actors/supervision/dead_letters.hpp"
#include "actors/tool/call_options.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/async.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/core/schema_validator.hpp"

#include <caf/response_promise.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

/// To the actor, from a backend's thread.
struct attempt_ended {
  attempt_id id = 0;
  result<std::string> outcome;
};

class tool_actor final : public bounded_actor {
public:
  tool_actor(caf::actor_config& cfg, tool_setup setup, std::optional<schema_validator> schema);

  const char* name() const override { return "tool"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  struct call : waiting_call {
    call(std::uint64_t number, call_request&& r, const retry_options& retry, utc_time latest)
      : request(std::move(r)), deadline(latest), tries(retry, request.cls, latest) {
      no = number;
    }

    call_request request;
    utc_time deadline;
    retry_state tries;
    caf::response_promise promise;
    steady_time begun{};
    std::uint32_t attempt = 0;
    bool reconciles = false;
    retry_stop stop = retry_stop::no;
    std::optional<call_options> wishes; ///< of its agent, for this call
    std::optional<error> failure;       ///< whose place the fallback has taken
    caf::actor asked;                   ///< another tool that works for this call
    call_id asked_id = 0;
    // The attempts in flight: one, or two where the first is late.
    std::vector<attempt_id> flying;
    bool hedged = false;   ///< the second was sent, or would have been
    bool answered = false; ///< `answer` is new
    result<std::string> answer;
  };

  struct attempt {
    call* of = nullptr; ///< null: the call has gone on without it
    tool_backend* by = nullptr;
    steady_time begun{};
    std::uint32_t number = 0; ///< of its call's
    breaker_permit permit{};
    utc_time until{}; ///< its answer is waited for
  };

  /// A backend that answers within `start`, on this thread, need not send a message.
  struct starting;

  // -- handlers, in tool_actor.cpp --
  void on_call(call_request& r);
  void on_cancel(call_id id);
  void on_reconcile(reconcile_request& r);
  void on_attempt_ended(attempt_ended& a);
  caf::error on_throw(const std::exception_ptr& thrown);
  result<void> admit(call& c) const;
  void begin(call_request&& r, bool reconciles);

  // -- a call, in tool_call.cpp: a `call*` is good as long as its coroutine --
  async<void> serve(call* c);
  async<result<std::string>> all_attempts(call* c);
  async<result<std::string>> one_attempt(call* c);
  async<result<void>> queue_up(call* c);
  bool worth_a_retry(call& c, const error& why, std::chrono::milliseconds& pause);
  void free_slot();
  void refuse_queue();
  void finish(call* c, result<std::string> outcome);
  void reply(call& c, result<std::string> outcome);
  void count_death(const call& c, const std::string& what);
  void file(store::letter_kind kind, const call_request& r, std::string why,
            std::uint32_t deaths = 0) const;

  // -- its attempts, in tool_attempt.cpp --
  result<breaker_permit> permit_for(const call& c);
  utc_time send_attempt(call* c, breaker_permit permit);
  attempt_request request_of(const call& c) const;
  void settle(attempt& a, const call& c, const result<std::string>& outcome);
  void give_up(call* c, const error& why);
  utc_time hedge_time(const call& c, utc_time sent, const breaker_permit& first);
  void hedge(call* c);
  error not_answered(const call* c) const;

  // -- what takes its place, in tool_fallback.cpp --
  async<result<std::string>> fall_back(call* c, error why);
  async<result<std::string>> ask_other(call* c, std::string tool, std::string body);
  async<result<std::string>> ask_reconciler(call* c);
  result<std::string> instead(call* c, error why, std::string_view from, std::string value,
                              std::chrono::milliseconds age);
  const fallback_options& fallback_of(const call& c) const;
  std::function<result<std::string>(const attempt_request&)>
  fallback_function(const fallback_options& f) const;
  bool only_looks(const std::string& tool) const;
  void remember(const call& c, const std::string& value);

  // -- events and state --
  event event_of(level l, std::string_view name, const call& c, std::string_view what,
                 steady_time since, const error* why = nullptr) const;
  void restore(const std::string& checkpoint);
  void checkpoint();

  const environment& env_;
  tool_options options_;
  tool_parts parts_;
  caf::actor supervisor_;
  std::string child_id_;
  tool_guards guards_;
  std::string service_;
  std::optional<schema_validator> schema_;
  retry_budget budget_;
  dead_letters dead_letters_;

  std::unordered_map<std::uint64_t, std::unique_ptr<call>> calls_;
  std::unordered_map<call_id, call*> by_caller_;
  std::unordered_map<attempt_id, attempt> attempts_;
  bulkhead slots_;
  latency_quantile latencies_;
  bool nested_ = false; ///< a call goes on within the end of another
  std::uint64_t last_call_ = 0;
  attempt_id last_attempt_ = 0;
  call_waits waits_;
  scope scope_; ///< last: coroutines end before what they use
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::attempt_ended)
