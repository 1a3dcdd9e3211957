// What a call may get without a conversation of its own: an earlier answer, that of another call, or
// what takes the place of an answer.

#include "actors/llm/answer.hpp"
#include "actors/llm/cassette.hpp"
#include "actors/llm/llm_endpoint_actor.hpp"
#include "actors/llm/wire_error.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <iterator>

namespace troupe::detail {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t reserve_ms_max = 86'400'000; // a day; so that no sum overflows

struct call_context {
  std::optional<std::string> tree;
  /// Of a call that stands in for another: time before its deadline that is kept for the next.
  std::optional<std::int64_t> reserve_ms;
  std::optional<std::string> tenant;
  /// UTC, microseconds: an earlier life of the caller issued it then, and may have sent it.
  std::optional<std::int64_t> sent_before;
};
BOOST_DESCRIBE_STRUCT(call_context, (), (tree, reserve_ms, tenant, sent_before))

// `completion_text` of runtime/core/effects.hpp.
struct declared_text {
  std::string text;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
};
BOOST_DESCRIBE_STRUCT(declared_text, (), (text, input_tokens, output_tokens))

// What an agent said for its call, to another model. What an earlier life has sent is booked.
std::string to_stand_in(std::string options, milliseconds kept) {
  boost::json::object all;
  if (!options.empty())
    if (auto said = parse_json(options); said && said->is_object())
      all = std::move(said->as_object());
  all.erase("sent_before");
  all.erase("reserve_ms");
  if (kept.count() > 0)
    all["reserve_ms"] = kept.count();
  return all.empty() ? std::string{} : to_json(all);
}

} // namespace

// A call of an agent says of which tree it is; any other is a tree of its own.
void llm_endpoint::read_context(call& c) const {
  c.tree = c.request.invocation;
  if (const auto* caller = caller_of(c))
    c.tenant = caller->tenant;
  c.own_end = c.until = c.deadline;
  if (!c.request.options.empty())
    if (auto context = from_json<call_context>(c.request.options)) {
      if (context->tree)
        c.tree = std::move(*context->tree);
      if (context->tenant)
        c.tenant = std::move(*context->tenant);
      if (context->sent_before)
        c.sent_before = utc_time{std::chrono::microseconds{*context->sent_before}};
      milliseconds kept{std::clamp<std::int64_t>(context->reserve_ms.value_or(0), 0, reserve_ms_max)};
      if (kept.count() > 0)
        c.own_end = std::min(c.deadline, utc_time{c.request.deadline - kept});
    }
  bool compared = options_.cache.ttl.count() > 0 || options_.cache.coalesce
                  || options_.fallback.cached.count() > 0;
  if (compared)
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
    c.live.share();
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
  calls_.at(leader)->live.join(c.live);
  auto why = co_await waits_.wait(c, c.deadline);
  c.follows = 0;
  if (auto found = calls_.find(leader); found != calls_.end())
    found->second->live.leave(c.live);
  if (why != wake::answered)
    co_return interrupted(c, why);
  c.cached = c.has_shared && c.shared.has_value();
  co_return std::move(c.shared);
}

// What ended the other one alone (its caller, its deadline, its budget) is no answer, nor what it got
// instead for that: the next one asks itself.
void llm_endpoint::pass_on(const call& c, const result<std::string>& outcome) {
  auto lead = leaders_.find(c.content);
  if (lead == leaders_.end() || lead->second != c.no)
    return;
  leaders_.erase(lead);
  bool own = c.own_reason && (!outcome || c.degraded);
  if (!outcome)
    own = own || outcome.error().code == errc::cancelled
          || outcome.error().code == errc::deadline_exceeded;
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
  for (std::size_t i = 0; i < f.models.size(); ++i) {
    if (c.own_end <= env_.clock.now())
      break;
    auto said = co_await ask_other(no, i);
    if (said)
      co_return instead(c, why, "model", std::move(*said));
    if (c.cancelled)
      co_return interrupted(c, wake::cancelled);
    if (c.live.read_by_others())
      co_return std::move(said).error();
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

// Of the time that is left: enough for an attempt of each of the others, but no more than an equal
// share of it for each, so that a short call is not all reserve.
milliseconds llm_endpoint::reserve_for(const call& c, std::size_t others) const {
  auto left = std::chrono::floor<milliseconds>(c.own_end - env_.clock.now());
  if (others == 0 || left.count() <= 0)
    return milliseconds{0};
  const auto& f = options_.fallback;
  auto each = f.reserve.count() > 0 ? f.reserve : options_.retry.timeout;
  auto n = static_cast<milliseconds::rep>(others);
  return n * std::min(each, left / (n + 1));
}

// A stream that speaks is not hung: it is not cut off for the sake of one that would begin anew.
utc_time llm_endpoint::end_of(const call& c) const {
  return c.in_flight && c.live.speaks() ? c.deadline : c.until;
}

// It has the time that is left, but for what the models after it are to have.
async<result<std::string>> llm_endpoint::ask_other(std::uint64_t no, std::size_t which) {
  auto& c = *calls_.at(no);
  const auto& models = options_.fallback.models;
  auto name = "llm:" + models[which];
  auto service = env_.services.find(name);
  if (!service)
    co_return error{errc::not_found, "there is no model '" + models[which] + "'"};
  call_request r = c.request;
  r.id = c.asked_id = env_.random.next();
  r.service = name;
  r.deadline = c.deadline;
  auto kept = std::chrono::ceil<milliseconds>(c.deadline - c.own_end)
              + reserve_for(c, models.size() - which - 1);
  if (budgets_)
    book_lost(c); // where its own breaker was open, nobody has
  r.options = to_stand_in(std::move(r.options), kept);
  auto patience = service->info.total_timeout + std::chrono::seconds{1};
  c.asked = service->handle;
  auto reply = co_await ask<call_reply>(this, service->handle, patience, std::move(r));
  c.asked = nullptr;
  if (!reply)
    co_return std::move(reply).error();
  c.attempts += reply->attempts;
  std::move(reply->said.begin(), reply->said.end(), std::back_inserter(c.said));
  co_return std::move(reply->outcome);
}

} // namespace troupe::detail
