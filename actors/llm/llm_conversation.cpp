// The coroutines of a call: a conversation is one question or several, a question is one attempt or
// several, an attempt is one request.

#include "actors/llm/answer.hpp"
#include "actors/llm/llm_endpoint_actor.hpp"
#include "actors/llm/question.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace troupe::detail {
namespace {

using std::chrono::microseconds;

/// Of an answer that is kept as it was said; longer ones are cut. No schema is filled by more.
constexpr std::size_t said_bytes_max = std::size_t{256} << 10;

// `completion_text` of runtime/core/effects.hpp, as agents read it.
struct spoken {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(spoken, (), (text, input_tokens, output_tokens))

struct called_function {
  std::string name;
  std::string arguments;
};
BOOST_DESCRIBE_STRUCT(called_function, (), (name, arguments))

// Spelled as in the messages of a call, so that it can be sent back as it is.
struct called {
  std::string id;
  std::string type = "function";
  called_function function;
};
BOOST_DESCRIBE_STRUCT(called, (), (id, type, function))

// The same, where the model wants tools to be called.
struct spoken_calls : spoken {
  std::vector<called> tool_calls;
};
BOOST_DESCRIBE_STRUCT(spoken_calls, (spoken), (tool_calls))

std::string outcome_of(const model_answer& answer, std::string text) {
  spoken_calls out;
  out.text = std::move(text);
  out.input_tokens = answer.input_tokens;
  out.output_tokens = answer.output_tokens;
  if (answer.tool_calls.empty())
    return to_json(static_cast<const spoken&>(out));
  for (const auto& c : answer.tool_calls) {
    called one;
    one.id = c.id;
    one.function.name = c.name;
    one.function.arguments = c.arguments;
    out.tool_calls.push_back(std::move(one));
  }
  return to_json(out);
}

} // namespace

result<std::unique_ptr<llm_endpoint::call>> llm_endpoint::admit(call_request& r) {
  auto now = env_.clock.now();
  auto deadline = std::min(r.deadline, utc_time{now + options_.retry.total_timeout});
  if (deadline <= now)
    return error{errc::deadline_exceeded, "the deadline had passed when the call arrived"};
  auto question = read_question(r.body, options_);
  if (!question)
    return std::move(question).error();
  auto c = std::make_unique<call>();
  if (auto live = c->live.read(r, env_, options_); !live)
    return std::move(live).error();
  if (!question->schema.empty()) {
    auto schema = validator_of(question->schema);
    if (!schema)
      return std::move(schema).error();
    c->schema = std::move(*schema);
  }
  c->no = ++last_no_;
  c->request = std::move(r);
  if (options_.fallback.models.empty())
    c->request.body.clear(); // the question has it
  c->question = std::move(*question);
  c->deadline = deadline;
  read_context(*c);
  c->began = env_.clock.steady();
  return c;
}

result<schema_validator> llm_endpoint::validator_of(const std::string& schema) {
  if (auto found = schemas_.find(schema); found != schemas_.end())
    return found->second;
  auto compiled = schema_validator::compile(schema);
  if (!compiled)
    return std::move(compiled).error();
  if (schemas_.size() >= schemas_max)
    schemas_.clear();
  schemas_.emplace(schema, *compiled);
  return compiled;
}

async<void> llm_endpoint::serve(std::uint64_t no) {
  result<std::string> outcome;
  try {
    outcome = co_await answer_call(no);
  } catch (const std::exception& e) {
    outcome = error{errc::internal, fmt::format("{}: {}", service_, e.what()), certainty::unknown};
  }
  finish(*calls_.at(no), std::move(outcome));
}

async<result<std::string>> llm_endpoint::converse(std::uint64_t no) {
  auto& c = *calls_.at(no);
  c.until = c.own_end - reserve_for(c, options_.fallback.models.size());
  for (;;) {
    auto answer = co_await ask_until_answered(no);
    if (!answer)
      co_return std::move(answer).error();
    auto outcome = judge(c, *answer);
    if (outcome || c.repairs >= options_.repairs_max)
      co_return outcome;
    ask_again(c, *answer, outcome.error());
  }
}

// A stream has as long as its call; its pieces have limits of their own.
std::chrono::milliseconds llm_endpoint::attempt_time(const call& c) const {
  auto end = c.live.streams() ? c.deadline : c.until;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(end - env_.clock.now());
  return c.live.streams() ? left : std::min(left, options_.retry.timeout);
}

// What the caller gets for an answer. The error is what is wrong with it, for the model.
result<std::string> llm_endpoint::judge(call& c, const model_answer& answer) const {
  if (c.schema && answer.tool_calls.empty()) {
    auto value = find_answer(answer.text, *c.schema);
    if (!value || *value != trimmed(answer.text))
      c.said.push_back(head_of(answer.text, said_bytes_max));
    if (value && c.question.whole)
      return outcome_of(answer, std::move(*value));
    if (value || c.repairs < options_.repairs_max)
      return value;
    auto why = std::move(value).error();
    why.message = fmt::format("{}; the model's last answer after {} repairs begins: {}",
                              why.message, c.repairs, head_of(answer.text));
    return why;
  }
  return outcome_of(answer, answer.text);
}

void llm_endpoint::ask_again(call& c, const model_answer& answer, const error& wrong) {
  ++c.repairs;
  ++stats_.repairs;
  c.question.messages.push_back(model_message{"assistant", answer.text});
  c.question.messages.push_back(model_message{"user", complaint(wrong)});
  c.question.temperature = 0.0;
}

async<result<model_answer>> llm_endpoint::ask_until_answered(std::uint64_t no) {
  auto& c = *calls_.at(no);
  // Nobody queues for a dead model.
  if (auto refused = gate_->refusal())
    co_return std::move(*refused);
  retry_state retry{options_.retry, effect_class::read, c.deadline};
  for (;;) {
    auto answer = co_await attempt(no);
    if (answer) {
      retry.succeeded(budget_);
      co_return std::move(answer);
    }
    if (c.live.passed_on())
      c.until = c.deadline; // nobody takes over from here
    if (c.live.passed_on() && options_.after_first_chunk == broken_stream::fail)
      co_return retry.closing(std::move(answer).error());
    auto next = retry.failed(answer.error(), env_.clock.now(), budget_, env_.random);
    c.own_reason = c.own_reason || next.stop == retry_stop::deadline;
    if (next.stop != retry_stop::no)
      co_return retry.closing(std::move(answer).error());
    if (env_.clock.now() + next.wait >= end_of(c)) { // the others' time would begin
      c.own_reason = true;
      retry.withdrawn(budget_);
      co_return retry.closing(std::move(answer).error());
    }
    // The failure says more than the breaker's refusal, which it would get after the pause.
    if (auto no = gate_->refusal(); no && (!no->retry_after || *no->retry_after > next.wait)) {
      retry.withdrawn(budget_);
      co_return retry.closing(std::move(answer).error());
    }
    auto why = co_await waits_.wait(c, env_.clock.now() + next.wait);
    if (why == wake::cancelled)
      co_return interrupted(c, why);
    ++stats_.retries;
  }
}

void llm_endpoint::finish(call& c, result<std::string> outcome) {
  if (outcome)
    ++stats_.calls_ok;
  done_event(c, outcome);
  pass_on(c, outcome);
  call_reply reply;
  reply.outcome = std::move(outcome);
  reply.attempts = c.attempts;
  reply.degraded = c.degraded;
  reply.said = std::move(c.said);
  auto promise = std::move(c.reply);
  waits_.forget(c);
  calls_.erase(c.no);
  promise.deliver(std::move(reply));
}

} // namespace troupe::detail
