#include "actors/tool/tool.hpp"

#include "actors/tool/async_backend.hpp"
#include "actors/tool/command_backend.hpp"
#include "actors/tool/function_backend.hpp"
#include "actors/tool/http_backend.hpp"
#include "actors/tool/tool_actor.hpp"

#include <caf/actor_system.hpp>

#include <fmt/format.h>

namespace troupe {
namespace {

/// A check that is off must not be forgotten.
void tell_unverified(const tool_options& o, const environment& env) {
  if (o.http.tls_verify || !o.http.url.starts_with("https"))
    return;
  auto name = tool_service_name(o.name);
  event e;
  e.lvl = level::warning;
  e.name = "tool.tls_unverified";
  e.service = name;
  e.result = "off";
  env.events.write(e);
}

result<std::shared_ptr<tool_backend>> make_backend(const tool_options& o, const environment& env,
                                                   net::http_transport& transport) {
  if (o.kind == tool_kind::http) {
    tell_unverified(o, env);
    return make_http_backend(o.http, transport, env.clock);
  }
  if (o.kind == tool_kind::command)
    return make_command_backend(o.command, o.concurrent);
  const auto& name = o.function.class_name.empty() ? o.name : o.function.class_name;
  auto function = find_function(name);
  if (!function)
    return error{errc::not_found, fmt::format("no function '{}' is registered", name)};
  if (function->start)
    return make_async_backend(std::move(*function), env, transport);
  auto blocking = function->blocking || o.function.blocking;
  return make_function_backend(std::move(*function), blocking ? o.concurrent : 0);
}

result<std::function<result<std::string>(const attempt_request&)>>
make_fallback(const std::string& name) {
  auto function = find_function(name);
  if (!function)
    return error{errc::not_found, fmt::format("fallback: no function '{}' is registered", name)};
  if (function->blocking || function->start)
    return error{errc::invalid_input,
                 fmt::format("fallback: '{}' takes its time; name it as a tool, and that tool "
                             "as fallback.tool", name)};
  return std::function<result<std::string>(const attempt_request&)>{
    [f = std::move(*function)](const attempt_request& r) { return call_function(f, r, {}); }};
}

/// What the topology says comes first: it can be changed without a compiler.
std::optional<function_tool> reconcile_in_code(const tool_options& o) {
  if (o.reconcile.given() || !has_effect(o.effect))
    return {};
  return find_reconcile(o.name);
}

} // namespace

result<caf::actor> spawn_tool(caf::actor_system& system, tool_setup setup) {
  std::optional<schema_validator> schema;
  if (!setup.options.input_schema.empty()) {
    auto compiled = schema_validator::compile(setup.options.input_schema);
    if (!compiled)
      return error{errc::invalid_input,
                   fmt::format("tool '{}': input_schema: {}", setup.options.name,
                               compiled.error().message)};
    schema = std::move(*compiled);
  }
  for (const auto& part : {setup.parts.backend, setup.parts.reconciler})
    if (part)
      part->attach(system);
  auto fresh = make_tool_guards(setup.options, setup.env);
  if (!setup.guards.gate)
    setup.guards.gate = std::move(fresh.gate);
  if (!setup.guards.answers)
    setup.guards.answers = std::move(fresh.answers);
  return caf::actor{system.spawn<tool_actor>(std::move(setup), std::move(schema))};
}

result<tool_parts> make_tool_parts(const tool_options& options, const environment& env,
                                   net::http_transport& transport) {
  auto backend = make_backend(options, env, transport);
  if (!backend)
    return std::move(backend).error();
  return complete_tool_parts(options, env, transport, std::move(*backend));
}

result<tool_parts> complete_tool_parts(const tool_options& options, const environment& env,
                                       net::http_transport& transport,
                                       std::shared_ptr<tool_backend> backend) {
  tool_parts parts;
  parts.backend = std::move(backend);
  if (!options.reconcile.url.empty())
    parts.reconciler = make_http_reconciler(options.reconcile, options.http, transport, env.clock);
  else if (!options.reconcile.argv.empty())
    parts.reconciler = make_command_reconciler(options.reconcile, options.command);
  else if (auto in_code = reconcile_in_code(options)) {
    auto threads = in_code->blocking ? options.concurrent : 0;
    parts.reconciler = make_function_backend(std::move(*in_code), threads);
  }
  if (!options.fallback.function.empty()) {
    auto fallback = make_fallback(options.fallback.function);
    if (!fallback)
      return std::move(fallback).error();
    parts.fallback = std::move(*fallback);
  }
  return parts;
}

tool_guards make_tool_guards(const tool_options& options, const environment& env) {
  tool_guards out;
  out.gate = std::make_shared<breaker>(tool_service_name(options.name), options.breaker,
                                       usually_slow(options.retry.timeout), env);
  out.answers = std::make_shared<answer_cache>();
  return out;
}

std::string tool_service_name(std::string_view tool) {
  return fmt::format("tool:{}", tool);
}

service_info service_info_of(const tool_options& options) {
  service_info info;
  info.cls = options.effect;
  info.reconciles = options.reconcile.given() || reconcile_in_code(options).has_value();
  info.total_timeout = options.retry.total_timeout;
  info.key_ttl = options.key_ttl;
  info.key_pointer = options.key;
  return info;
}

} // namespace troupe
