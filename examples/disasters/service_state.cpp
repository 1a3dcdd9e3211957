#include "examples/disasters/service_state.hpp"

#include "runtime/core/json.hpp"
#include "runtime/net/problem.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace disasters {
namespace {

struct post_request {
  std::string alert;
  std::string text;
  std::optional<std::string> ref;
};
BOOST_DESCRIBE_STRUCT(post_request, (), (alert, text, ref))

struct charge_request {
  std::string invoice;
  std::uint64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(charge_request, (), (invoice, cents))

struct ticket_request {
  std::string incident;
  std::string alert;
};
BOOST_DESCRIBE_STRUCT(ticket_request, (), (incident, alert))

struct alert_request {
  std::string alert;
};
BOOST_DESCRIBE_STRUCT(alert_request, (), (alert))

answer refusal(int status, troupe::errc code, std::string_view why) {
  return {status, troupe::net::problem_json(status, code, why)};
}

/// A body that is no `T`.
answer malformed(const troupe::error& why) {
  return refusal(400, troupe::errc::invalid_input, why.message);
}

bool is_odd(std::string_view name) {
  return !name.empty() && (name.back() - '0') % 2 == 1;
}

} // namespace

std::uint64_t tally::count(std::string_view key) {
  ++effects;
  return ++by_key[std::string{key}];
}

answer chat::post(std::string_view body) {
  auto in = troupe::from_json<post_request>(body);
  if (!in)
    return malformed(in.error());
  auto nth = counts_.count(in->alert);
  auto id = fmt::format("M-{}", counts_.effects);
  if (in->ref)
    by_ref_[*in->ref].push_back(id);
  return {200, fmt::format(R"({{"id":"{}"}})", id), nth <= late_posts ? pace_.late : pace_.latency};
}

answer chat::find(std::string_view ref) const {
  auto found = by_ref_.find(ref);
  auto ids = found == by_ref_.end() ? std::vector<std::string>{} : found->second;
  return {200, fmt::format(R"({{"messages":{}}})", troupe::to_json(ids))};
}

answer payments::charge(std::string_view key, std::string_view body, milliseconds now) {
  auto in = troupe::from_json<charge_request>(body);
  if (!in)
    return malformed(in.error());
  if (auto known = by_key_.find(key); !key.empty() && known != by_key_.end()) {
    if (known->second.request != body)
      return refusal(422, troupe::errc::conflict, "this key was used for another charge");
    if (now < known->second.busy_until) {
      auto busy = refusal(409, troupe::errc::conflict, "the first request with this key still runs");
      busy.retry_after = milliseconds{100};
      return busy;
    }
    return {200, known->second.answer, pace_.latency};
  }
  auto nth = counts_.count(in->invoice);
  cents_ += in->cents;
  cents_twice_ += nth > 1 ? in->cents : 0;
  auto booked = fmt::format(R"({{"charge":"C-{}"}})", counts_.effects);
  auto after = nth == 1 && is_odd(in->invoice) ? pace_.late : pace_.latency;
  if (!key.empty())
    by_key_[std::string{key}] = {std::string{body}, booked, now + pace_.latency};
  if (nth > 1 || is_odd(in->invoice))
    return {200, booked, after};
  auto lost = refusal(500, troupe::errc::internal, "the answer was lost behind the proxy");
  lost.after = after;
  return lost;
}

answer tickets::find(std::string_view incident, milliseconds now) const {
  std::vector<std::string> seen;
  if (auto found = by_incident_.find(incident); found != by_incident_.end())
    for (const auto& f : found->second)
      if (f.visible_at <= now)
        seen.push_back(f.ticket);
  return {200, fmt::format(R"({{"tickets":{}}})", troupe::to_json(seen)), pace_.latency};
}

answer tickets::file(std::string_view key, std::string_view body, milliseconds now) {
  auto in = troupe::from_json<ticket_request>(body);
  if (!in)
    return malformed(in.error());
  if (auto known = by_key_.find(key); !key.empty() && known != by_key_.end())
    return {200, known->second, pace_.latency};
  counts_.count(in->incident);
  auto ticket = fmt::format("T-{}", counts_.effects);
  tickets_.insert(ticket);
  alerts_.insert(in->alert);
  by_incident_[in->incident].push_back({ticket, now + pace_.replica_lag});
  auto said = fmt::format(R"({{"ticket":"{}"}})", ticket);
  if (!key.empty())
    by_key_[std::string{key}] = said;
  return {200, said, pace_.latency};
}

answer tickets::attach(std::string_view ticket, std::string_view body) {
  auto in = troupe::from_json<alert_request>(body);
  if (!in)
    return malformed(in.error());
  if (!tickets_.contains(ticket))
    return refusal(404, troupe::errc::not_found, "there is no such ticket");
  alerts_.insert(in->alert);
  return {200, "{}", pace_.latency};
}

answer customers::find(std::string_view id, milliseconds now) {
  counts_.count(id);
  if (first_ < milliseconds{0})
    first_ = now;
  auto name = fmt::format(R"({{"name":{}}})", troupe::to_json(id));
  if (now - first_ >= from_ && now - first_ < to_) {
    ++hung_;
    return {200, name, hang_};
  }
  if (counts_.effects % fails_every == 0)
    return refusal(500, troupe::errc::internal, "one of these days");
  return {200, name, pace_.latency};
}

std::string to_json(const tally& t, std::uint64_t more) {
  return fmt::format(R"({{"effects":{},"keys":{},"duplicates":{},"more":{}}})", t.effects,
                     t.by_key.size(), t.duplicates(), more);
}

} // namespace disasters
