// The breakers: how they stand, and what a person makes of one.
#include "actors/gateway/rest_helper.hpp"

#include "actors/guard/breaker_actor.hpp"
#include "actors/guard/breaker_messages.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <optional>

namespace troupe::gateway {
namespace {

constexpr std::chrono::milliseconds question_timeout{5'000};

std::optional<breaker_order> order_of(std::string_view word) {
  if (word == "open")
    return breaker_order::open;
  if (word == "close")
    return breaker_order::close;
  if (word == "auto")
    return breaker_order::self;
  return std::nullopt;
}

} // namespace

async<void> rest_helper::breakers(exchange_ptr x) {
  std::string body = "{\"breakers\":[";
  for (const auto& name : world_->env.services.names()) {
    auto service = name.starts_with(breaker_prefix) ? world_->env.services.find(name)
                                                    : std::nullopt;
    if (!service)
      continue;
    auto question = breaker_query{};
    auto got = co_await ask<breaker_reply>(this, service->handle, question_timeout,
                                           std::move(question));
    if (!got || !got->info) // its actor is being restarted
      continue;
    if (body.back() != '[')
      body += ',';
    body += to_json(*got->info);
  }
  body += "]}";
  x->out.json(*world_, 200, std::move(body));
}

async<void> rest_helper::breaker(exchange_ptr x) {
  auto name = breaker_named(x->at.subject);
  auto order = order_of(x->at.name);
  if (!name || !order) {
    x->out.problem(*world_, !name ? name.error()
                                  : error{errc::invalid_input, "expected open, close or auto"});
    co_return;
  }
  auto service = world_->env.services.find(*name);
  auto command = breaker_command{*order};
  auto got = co_await ask<breaker_reply>(this, service->handle, question_timeout,
                                         std::move(command));
  if (!got || !got->info)
    x->out.problem(*world_, got ? got->info.error() : got.error());
  else
    x->out.json(*world_, 200, to_json(*got->info));
}

/// Its name in the directory: `tool:x` and `llm:x` are both plain `x` where only one is there.
result<std::string> rest_helper::breaker_named(const std::string& name) const {
  std::vector<std::string> found;
  for (const auto* kind : {"", "tool:", "llm:"})
    if (auto full = breaker_service_name(kind + name); world_->env.services.find(full))
      found.push_back(std::move(full));
  if (found.empty())
    return error{errc::not_found, fmt::format("there is no breaker '{}'", name)};
  if (found.size() > 1)
    return error{errc::conflict,
                 fmt::format("'{}' is a tool and a model: say tool:{} or llm:{}", name, name, name)};
  return std::move(found.front());
}

} // namespace troupe::gateway
