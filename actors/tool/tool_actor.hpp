#pragma once
// The actor of a tool: calls, attempts, slots and waits. Private to actors/tool; see tool.hpp.
//
// A call is one coroutine (tool_call.cpp) and one entry of `calls_`. The coroutine waits in one
// place, `wait`, for a slot, an answer, a pause or a cancellation; handlers wake it by name. An
// attempt has an id of its own and keeps its slot until its backend says that it is over, even
// where the call has given it up: a far side that hangs must not get more than `concurrent` at a
// time.

#include "actors/guard/bounded_actor.hpp"
#include "actors/guard/retry.hpp"
#include "actors/supervision/dead_letters.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/async.hpp"
#include "runtime/core/messages.hpp"
#include "runtime/core/schema_validator.hpp"

#include <caf/response_promise.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

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
  /// Why a call goes on.
  enum class wake : std::uint8_t { slot, answered, due, cancelled };

  /// Where it waits.
  enum class place : std::uint8_t { nowhere, queue, attempt, pause };

  struct call {
    call(std::uint64_t number, call_request&& r, const retry_options& retry, utc_time latest)
      : no(number), request(std::move(r)), deadline(latest), tries(retry, request.cls, latest) {}

    std::uint64_t no;
    call_request request;
    utc_time deadline;
    retry_state tries;
    caf::response_promise promise;
    steady_time begun{};
    std::uint32_t attempt = 0;
    attempt_id in_flight = 0;
    bool reconciles = false;
    bool cancelled = false;
    retry_stop stop = retry_stop::no;
    // While it waits:
    place at = place::nowhere;
    std::uint64_t chain = 0;
    utc_time due = never;
    wake woken = wake::due;
    result<std::string> answer;
  };

  /// Suspends the coroutine of `c` until somebody wakes it.
  struct waiter {
    call* c;
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
      c->chain = h.promise().on->id;
    }
    wake await_resume() const noexcept { return c->woken; }
  };

  struct attempt {
    call* of = nullptr; ///< null: the call has gone on without it
    tool_backend* by = nullptr;
    steady_time begun{};
  };

  // -- handlers, in tool_actor.cpp --
  void on_call(call_request& r);
  void on_cancel(call_id id);
  void on_reconcile(reconcile_request& r);
  void on_attempt_ended(attempt_ended& a);
  void on_due();
  caf::error on_throw(const std::exception_ptr& thrown);
  result<void> admit(const call_request& r) const;
  void begin(call_request&& r, bool reconciles);

  // -- waits and slots --
  waiter wait(call* c, place where, utc_time until);
  void wake_up(call* c, wake why);
  void set_due(call* c, utc_time until);
  void arm();
  void free_slot();
  std::chrono::milliseconds queue_wait() const;

  // -- a call, in tool_call.cpp: a `call*` is good as long as its coroutine --
  async<void> serve(call* c);
  async<result<std::string>> all_attempts(call* c);
  async<result<std::string>> one_attempt(call* c);
  async<result<std::string>> ask_tool(call* c);
  async<result<void>> take_slot(call* c);
  utc_time send_attempt(call* c);
  void give_up(attempt_id id);
  error not_answered(const call* c) const;
  void finish(call* c, result<std::string> outcome);
  void reply(call& c, result<std::string> outcome);
  void count_death(const call& c);

  // -- events and state --
  void report(level l, std::string_view name, const call& c, std::string_view what,
              steady_time since, const error* why = nullptr) const;
  void restore(const std::string& checkpoint);
  void checkpoint();

  const environment& env_;
  tool_options options_;
  tool_parts parts_;
  caf::actor timer_;
  caf::actor supervisor_;
  std::string child_id_;
  std::string service_;
  std::optional<schema_validator> schema_;
  retry_budget budget_;
  dead_letters dead_letters_;

  std::unordered_map<std::uint64_t, std::unique_ptr<call>> calls_;
  std::unordered_map<call_id, call*> by_caller_;
  std::unordered_map<attempt_id, attempt> attempts_;
  std::deque<call*> queue_;
  std::set<std::pair<utc_time, std::uint64_t>> dues_;
  utc_time armed_for_ = never;
  std::uint32_t slots_taken_ = 0;
  double attempt_ms_ = 0; ///< moving average, for retry_after
  std::uint64_t last_call_ = 0;
  attempt_id last_attempt_ = 0;
  scope scope_; ///< last: coroutines end before what they use
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::attempt_ended)
