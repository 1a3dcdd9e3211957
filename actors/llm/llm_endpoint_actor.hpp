#pragma once
// The actor behind llm_endpoint.hpp. Private to this folder.
//
// llm_endpoint.cpp has its handlers, llm_conversation.cpp the coroutines of a call, llm_attempt.cpp
// those of an attempt, with its turn, and the events.

#include "actors/guard/bounded_actor.hpp"
#include "actors/guard/call_waits.hpp"
#include "actors/guard/retry.hpp"
#include "actors/llm/live_answer.hpp"
#include "actors/llm/llm_endpoint.hpp"
#include "actors/llm/token_estimate.hpp"
#include "runtime/core/async.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/schema_validator.hpp"

#include <caf/response_promise.hpp>

#include <map>
#include <string>
#include <utility>

namespace troupe::detail {

/// From a backend's thread: attempt `attempt` of call `no` has ended.
struct attempt_done {
  std::uint64_t no = 0;
  std::uint32_t attempt = 0;
  result<model_answer> outcome;
};

class llm_endpoint final : public bounded_actor {
public:
  /// Schemas that are kept compiled; an agent class has one or two.
  static constexpr std::size_t schemas_max = 64;

  llm_endpoint(caf::actor_config& cfg, llm_setup setup);

  const char* name() const override { return "llm_endpoint"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  struct call : waiting_call {
    call_request request;
    caf::response_promise reply;
    model_request question;
    std::optional<schema_validator> schema;
    utc_time deadline{};
    utc_time own_end{};  ///< the deadline, but for what is kept for those after this model
    utc_time until{};    ///< of its own attempts: then others are asked
    steady_time began{};
    std::uint32_t attempts = 0;
    std::uint32_t repairs = 0;
    std::vector<std::string> said; ///< as in its reply
    std::string content;  ///< what it asks for, where that is compared; else empty
    std::string tree;     ///< of the invocation
    std::string tenant;   ///< who pays for it
    utc_time sent_before = never; ///< an earlier life of the caller may have sent it then
    std::uint64_t follows = 0; ///< the call whose answer it waits for; 0: none
    result<std::string> shared{error{errc::unavailable}}; ///< that answer
    bool has_shared = false;
    bool own_reason = false; ///< it ends for want of its own time or budget
    caf::actor asked;     ///< another model, in place of this one
    call_id asked_id = 0;
    bool cached = false;
    bool degraded = false;
    // The attempt that is in flight, or waits for its turn.
    std::uint64_t turn = 0; ///< of the limiter; 0: none
    std::optional<error> refused; ///< why the limiter will not let it go
    budget_book::booking booked;
    bool in_flight = false;
    rate_outcome ended = rate_outcome::went_well; ///< the last one
    breaker_permit permit{};
    bool late = false; ///< this process stood still during the attempt
    model_request_id at_backend = 0;
    steady_time sent{};
    result<model_answer> answer;
    live_answer live; ///< its pieces, where it is streamed
  };

  // -- handlers --
  void on_call(call_request& r);
  void on_cancel(call_id id);
  void on_attempt(attempt_done& d);
  void on_turn(limiter_decision& d);
  llm_stats stats() const;

  // -- a call, from its question to its answer: llm_conversation.cpp --
  result<std::unique_ptr<call>> admit(call_request& r);
  async<void> serve(std::uint64_t no);
  async<result<std::string>> converse(std::uint64_t no);
  // -- instead of a conversation: llm_instead.cpp --
  async<result<std::string>> answer_call(std::uint64_t no);
  async<result<std::string>> follow(std::uint64_t no, std::uint64_t leader);
  async<result<std::string>> fall_back(std::uint64_t no, error why);
  async<result<std::string>> ask_other(std::uint64_t no, std::size_t which);
  std::optional<std::string> declared(const call& c) const;
  result<std::string> instead(call& c, const error& why, std::string_view from, std::string value);
  std::chrono::milliseconds reserve_for(const call& c, std::size_t others) const;
  utc_time end_of(const call& c) const;
  void read_context(call& c) const;
  bool may_fall_back(const call& c, const error& why) const;
  void pass_on(const call& c, const result<std::string>& outcome);

  async<result<model_answer>> ask_until_answered(std::uint64_t no);
  result<std::string> judge(call& c, const model_answer& answer) const;
  std::chrono::milliseconds attempt_time(const call& c) const;
  void ask_again(call& c, const model_answer& answer, const error& wrong);
  void finish(call& c, result<std::string> outcome);
  result<schema_validator> validator_of(const std::string& schema);

  // -- an attempt: llm_attempt.cpp --
  async<result<model_answer>> attempt(std::uint64_t no);
  async<result<model_answer>> attempt_with_key(std::uint64_t no);
  async<result<unit>> take_turn(std::uint64_t no);
  std::optional<token_use> used_by(call& c, const std::optional<tokens_heard>& heard);
  void usage_event(const call& c, const told_usage& said) const;
  rate_claim claim_of(const call& c) const;
  const llm_caller* caller_of(const call& c) const;
  spending expected_of(const call& c) const;
  void book_lost(call& c);
  result<unit> book(call& c);
  void settle(call& c, const std::optional<token_use>& said, bool sent);
  void start_attempt(call& c);
  void refuse_queue();
  void end_attempt(call& c);
  void leave(call& c);
  error overload() const;
  error interrupted(const call& c, wake why) const;

  void attempt_event(const call& c) const;
  void done_event(const call& c, const result<std::string>& outcome) const;

  const environment& env_;
  const endpoint_options options_;
  const std::string service_;
  std::shared_ptr<model_backend> backend_;
  std::shared_ptr<breaker> gate_;
  std::shared_ptr<limiter> meter_;
  std::shared_ptr<const llm_callers> callers_;
  std::shared_ptr<const tenant_shares> shares_;
  std::shared_ptr<budget_book> budgets_;
  std::shared_ptr<answer_cache> answers_;
  std::map<std::string, std::uint64_t, std::less<>> leaders_; ///< by content: the call in flight
  caf::actor own_limiter_; ///< where nobody else runs it
  caf::actor supervisor_;
  std::string child_id_;
  retry_budget budget_;
  std::map<std::string, schema_validator, std::less<>> schemas_;
  std::map<std::uint64_t, std::unique_ptr<call>> calls_; ///< by number, the oldest first
  std::map<std::uint64_t, std::uint64_t> turns_; ///< that are waited for: turn, call
  std::uint32_t in_flight_ = 0;
  std::uint64_t last_no_ = 0;
  llm_stats stats_;
  call_waits waits_;
  scope scope_; ///< last: coroutines end before what they use
};

} // namespace troupe::detail

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::detail::attempt_done)
