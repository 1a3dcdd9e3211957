// What a call may get without a conversation of its own: an earlier answer, that of another call, or
// what takes the place of an answer.

#include "actors/llm/answer.hpp"
#include "actors/llm/cassette.hpp"
#include "actors/llm/llm_endpoint_actor.hpp"
#include "actors/llm/wire_error.hpp"
#include "runtime/core/json.hpp"

#include <algorithm>

namespace troupe::detail {
namespace {

struct call_context {
  std::optional<std::string> tree;
};
BOOST_DESCRIBE_STRUCT(call_context, (), (tree))

// `completion_text` of runtime/core/effects.hpp.
struct declared_text {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(declared_text, (), (text, input_tokens, output_tokens))

} // namespace

// A call of an agent says of which tree it is; any other is a tree of its own.
void llm_endpoint::compare_content(call& c) const {
  c.tree = c.request.invocation;
  if (!c.request.options.empty())
    if (auto context = from_json<call_context>(c.request.options); context && context->tree)
      c.tree = std::move(*context->tree);
  bool compared = options_.cache.ttl.count() > 0 || options_.cache.coalesce
                  || options_.fallback.cached.count() > 0;
  if (compared && !c.live.streams()) // whoever follows a stream wants its pieces
    c.content = (c.question.whole ? "whole " : "") + taped(c.question).text;
}

async<result<std::string>> llm_endpoint::answer_call(std::uint64_t no) {
  auto& c = *calls_.at(no);
  if (!c.content.empty() && options_.cache.ttl.count() > 0)
    if (auto old = answers_->find(c.content, options_.cache.ttl, env_.clock.steady())) {
      c.cached = true;
      co_return std::move(old->value);
    }
  if (!c.content.empty() && options_.cache.coalesce) {
    for (auto leader = leaders_.find(c.content); leader != leaders_.end();
         leader = leaders_.find(c.content)) {
      auto said = co_await follow(no, leader->second);
      if (said || c.has_shared || c.cancelled || c.deadline <= env_.clock.now())
        co_return std::move(said);
    }
    leaders_.emplace(c.content, no);
  }
  auto outcome = co_await converse(no);
  if (!outcome) {
    auto said = co_await fall_back(no, std::move(outcome).error());
    co_return std::move(said);
  }
  if (!c.content.empty())
    answers_->put(c.content, *outcome, env_.clock.steady());
  co_return std::move(outcome);
}

// -- coalescing ----------------------------------------------------------------------------------

async<result<std::string>> llm_endpoint::follow(std::uint64_t no, std::uint64_t leader) {
  auto& c = *calls_.at(no);
  c.follows = leader;
  auto why = co_await waits_.wait(c, c.deadline);
  c.follows = 0;
  if (why != wake::answered)
    co_return interrupted(c, why);
  c.cached = c.has_shared && c.shared.has_value();
  co_return std::move(c.shared);
}

// What ended the other one alone (its caller, its deadline) is no answer: the next one asks itself.
void llm_endpoint::pass_on(const call& c, const result<std::string>& outcome) {
  auto lead = leaders_.find(c.content);
  if (lead == leaders_.end() || lead->second != c.no)
    return;
  leaders_.erase(lead);
  bool own = !outcome
             && (outcome.error().code == errc::cancelled
                 || outcome.error().code == errc::deadline_exceeded);
  std::vector<std::uint64_t> followers;
  for (const auto& [no, one] : calls_)
    if (one->follows == c.no)
      followers.push_back(no);
  for (auto no : followers) {
    auto found = calls_.find(no);
    if (found == calls_.end())
      continue;
    auto& f = *found->second;
    f.has_shared = !own;
    f.degraded = !own && c.degraded;
    if (!own)
      f.shared = outcome;
    waits_.wake_up(f, wake::answered);
  }
}

// -- fallback ------------------------------------------------------------------------------------

bool llm_endpoint::may_fall_back(const call& c, const error& why) const {
  // Words that somebody has read are not taken up by another voice.
  return options_.fallback.given() && !c.cancelled && !c.live.passed_on()
         && (falls_back(why, effect_class::read) || is_context_overflow(why)
             || c.ended == rate_outcome::key_dead || meter_->refused());
}

async<result<std::string>> llm_endpoint::fall_back(std::uint64_t no, error why) {
  auto& c = *calls_.at(no);
  const auto& f = options_.fallback;
  if (!may_fall_back(c, why))
    co_return why;
  for (const auto& model : f.models) {
    if (c.deadline <= env_.clock.now())
      break;
    auto said = co_await ask_other(no, model);
    if (said)
      co_return instead(c, why, "model", std::move(*said));
    if (c.cancelled)
      co_return interrupted(c, wake::cancelled);
  }
  if (f.cached.count() > 0 && !c.content.empty())
    if (auto old = answers_->find(c.content, f.cached, env_.clock.steady()))
      co_return instead(c, why, "cache", std::move(old->value));
  if (auto text = declared(c))
    co_return instead(c, why, "text", std::move(*text));
  co_return why;
}

std::optional<std::string> llm_endpoint::declared(const call& c) const {
  const auto& text = options_.fallback.text;
  if (text.empty())
    return std::nullopt;
  if (!c.schema)
    return to_json(declared_text{text, 0, 0});
  auto value = find_answer(text, *c.schema);
  if (!value)
    return std::nullopt;
  return c.question.whole ? to_json(declared_text{*value, 0, 0}) : std::move(*value);
}

result<std::string> llm_endpoint::instead(call& c, const error& why, std::string_view from,
                                          std::string value) {
  c.degraded = true;
  event e;
  e.name = "llm.fallback";
  e.lvl = level::warning;
  e.invocation = c.request.invocation;
  e.agent = c.request.agent;
  e.service = service_;
  e.result = to_string(why.code);
  e.fields.emplace_back("from", to_json(from));
  env_.events.write(e);
  return value;
}

// The time that is left is all that another model has.
async<result<std::string>> llm_endpoint::ask_other(std::uint64_t no, std::string model) {
  auto& c = *calls_.at(no);
  auto name = "llm:" + model;
  auto service = env_.services.find(name);
  if (!service)
    co_return error{errc::not_found, "there is no model '" + model + "'"};
  call_request r = c.request;
  r.id = c.asked_id = env_.random.next();
  r.service = name;
  r.deadline = c.deadline;
  auto patience = service->info.total_timeout + std::chrono::seconds{1};
  c.asked = service->handle;
  auto reply = co_await ask<call_reply>(this, service->handle, patience, std::move(r));
  c.asked = nullptr;
  if (!reply)
    co_return std::move(reply).error();
  c.attempts += reply->attempts;
  co_return std::move(reply->outcome);
}

} // namespace troupe::detail
