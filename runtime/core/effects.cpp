#include "runtime/core/effects.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe {

std::string effect_key(std::string_view invocation, std::uint32_t run, std::uint32_t generation,
                       const journal::address& at) {
  return fmt::format("{}/{}/{}/{}/{}", invocation, run, generation,
                     at.path.empty() ? "-" : at.path, at.seq);
}

namespace {

/// `{"a":1}` with `name` and `value` goes on as `{"a":1,"name":value}`.
void add_member(std::string& object, std::string_view name, std::string_view value) {
  if (object.empty())
    object = "{";
  else
    object.back() = ',';
  object += to_json(name);
  object += ':';
  object += value;
  object += '}';
}

} // namespace

void tool_call::add(std::string_view name, std::string value) {
  add_member(body_, name, value);
}

void tool_call::option(std::string_view name, std::string_view value) {
  add_member(options_, name, value);
}

void model_call::add(std::string_view role, std::string_view text) {
  messages_.push_back(
    fmt::format(R"({{"role":{},"content":{}}})", to_json(role), to_json(text)));
}

send_effect::send_effect(std::string agent, std::string input)
  : effect(journal::effect_kind::send, std::move(agent), effect_class::idempotent) {
  body_ = std::move(input);
}

// A sleep's body holds what was asked for: `+` and microseconds, or `=` and the UTC microseconds
// at which it ends. The journal holds only the latter.
sleep_effect::sleep_effect(std::chrono::microseconds d)
  : effect(journal::effect_kind::sleep, {}, effect_class::pure) {
  body_ = fmt::format("+{}", d.count());
}

sleep_effect::sleep_effect(utc_time until)
  : effect(journal::effect_kind::sleep, {}, effect_class::pure) {
  body_ = fmt::format("={}", until.time_since_epoch().count());
}

utc_time now_effect::take() {
  return utc_time{std::chrono::microseconds{from_json<std::int64_t>(outcome_.value()).value()}};
}

std::uint64_t random_effect::take() {
  return from_json<std::uint64_t>(outcome_.value()).value();
}

std::string uuid_effect::take() {
  return from_json<std::string>(outcome_.value()).value();
}

} // namespace troupe
