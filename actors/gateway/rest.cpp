#include "actors/gateway/rest.hpp"

#include "actors/flow/chat.hpp"
#include "actors/gateway/json_out.hpp"
#include "actors/gateway/rest_helper.hpp"
#include "actors/gateway/waiting_request.hpp"
#include "actors/guard/tenant_options.hpp"
#include "runtime/core/agent.hpp"
#include "runtime/net/problem.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>
#include <fmt/format.h>

namespace troupe {
namespace {

using namespace gateway;

/// As in the IETF draft and at Stripe. Keys are kept with their invocation.
constexpr std::size_t key_size_max = 255;

/// W3C: 55 characters in version 00; a later one may be longer, and is dropped.
constexpr std::size_t traceparent_size = 55;

/// A quoted one (a string of RFC 8941, as the IETF draft has it) and a bare one are the same key.
/// Nothing where there is none.
result<std::optional<std::string>> read_idempotency_key(const net::http_headers& headers) {
  std::optional<std::string> key;
  for (const auto& [name, value] : headers) {
    if (!net::equal_ignoring_case(name, "idempotency-key"))
      continue;
    if (key)
      return error{errc::invalid_input, "Idempotency-Key: it was sent twice"};
    key = unquoted(value);
    if (key->empty())
      return error{errc::invalid_input, "Idempotency-Key: it is empty"};
    if (key->size() > key_size_max)
      return error{errc::invalid_input, fmt::format("Idempotency-Key: {} characters, at most {} are "
                                                    "kept",
                                                    key->size(), key_size_max)};
  }
  return key;
}

std::string agents_json(const std::vector<agent_options>& agents) {
  std::string out = "{\"agents\":[";
  for (const auto& a : agents) {
    if (out.back() != '[')
      out += ',';
    const auto& name = a.class_name.empty() ? a.name : a.class_name;
    const auto* cls = find_agent(name);
    json_object_out o{out};
    o.text("name", a.name);
    o.text("class", is_chat(a) ? std::string{chat_class_word} : name);
    o.flag("loaded", cls != nullptr);
    o.some("key", a.key);
    if (cls == nullptr)
      continue;
    o.text("version", cls->version);
    o.raw("input_schema", cls->input_schema());
    o.raw("output_schema", cls->output_schema());
  }
  out += "]}";
  return out;
}

void refuse_method(const rest_world& world, answer_slot& out, route which) {
  auto allowed = std::string{method_of(which)};
  net::http_headers more;
  more.add("Allow", allowed);
  out.problem(world, 405, {errc::none, fmt::format("use {}", allowed)}, std::move(more));
}

void refuse_token(const rest_world& world, answer_slot& out) {
  net::http_headers more;
  more.add("WWW-Authenticate", "Bearer");
  out.problem(world, 401, {errc::none, "send the topology's token: Authorization: Bearer .."},
              std::move(more));
}

void refuse_page(const rest_world& world, answer_slot& out) {
  out.problem(world, 403,
              error{errc::none, "Host or Origin is another machine's: a web page must not reach a "
                                "troupe that no token guards; set [gateway] token"});
}

} // namespace

rest_gateway::rest_gateway(caf::actor_system& system, rest_setup setup)
  : world_(new rest_world{setup.env, std::move(setup.store_tag), std::move(setup.dispatcher),
                          std::move(setup.reader), std::move(setup.timer), std::move(setup.options),
                          std::move(setup.agents), setup.registry,
                          troupe_metrics{setup.registry}}) {
  world_->budgets = std::move(setup.budgets);
  world_->helper = system.spawn<rest_helper>(world_);
}

rest_gateway::~rest_gateway() {
  caf::anon_send_exit(world_->helper, caf::exit_reason::user_shutdown);
}

void rest_gateway::end_streams() {
  caf::anon_send(world_->helper, gateway::end_streams{});
}

void rest_gateway::handle(net::http_server_request in, net::responder raw) {
  auto at = parse_path(in.path());
  auto out = answer_slot{std::move(raw), at.which, world_->env.clock.steady()};
  bool head = in.method == "HEAD" && method_of(at.which) == "GET";
  bool open = at.which == route::healthz || at.which == route::readyz;
  if (!open && !allowed(in))
    refuse_token(*world_, out);
  else if (!open && from_elsewhere(in))
    refuse_page(*world_, out);
  else if (at.which == route::unknown)
    out.problem(*world_, error{errc::not_found, "no such resource"});
  else if (in.method != method_of(at.which) && !head)
    refuse_method(*world_, out, at.which);
  else if (at.which == route::invoke)
    invoke(std::move(at), std::move(in), std::move(out));
  else if (at.which == route::completions)
    complete(std::move(in), std::move(out));
  else if (at.which == route::models)
    models(at, std::move(out));
  else if (at.which == route::healthz)
    out.json(*world_, 200, "{\"status\":\"alive\"}");
  else if (at.which == route::agents)
    out.json(*world_, 200, agents_json(world_->agents));
  else
    caf::anon_send(world_->helper, rest_call{std::make_shared<exchange>(
                                     exchange{std::move(at), std::move(in), std::move(out)})});
}

bool rest_gateway::allowed(const net::http_server_request& in) const {
  const auto& token = world_->options.token;
  if (token.empty())
    return true;
  constexpr std::string_view scheme = "bearer ";
  auto said = in.headers.value_or("authorization", {});
  return said.size() > scheme.size()
         && net::equal_ignoring_case(said.substr(0, scheme.size()), scheme)
         && equal_in_constant_time(said.substr(scheme.size()), token.reveal());
}

/// Without a token only this machine comes in, but its browser shows pages of others: one may send
/// a POST here (Origin), or have its own name mean 127.0.0.1 and read the answers too (Host).
bool rest_gateway::from_elsewhere(const net::http_server_request& in) const {
  if (!world_->options.token.empty())
    return false;
  for (const auto& [name, value] : in.headers)
    if ((net::equal_ignoring_case(name, "host") || net::equal_ignoring_case(name, "origin"))
        && !is_here(value))
      return true;
  return false;
}

bool rest_gateway::is_here(std::string_view authority) const {
  auto host = host_of(authority);
  return is_loopback(host) || net::equal_ignoring_case(host, "localhost")
         || net::equal_ignoring_case(host, host_of(world_->options.host));
}

/// What every request that begins an invocation may say in its headers, of the agent in `r`.
bool rest_gateway::begin_request(const net::http_server_request& in, invoke_request& r,
                                 answer_slot& out) const {
  auto rule = rule_of(r.agent);
  auto key = read_idempotency_key(in.headers);
  if (key && !*key && rule != idempotency_rule::optional)
    key = error{errc::invalid_input,
                fmt::format("Idempotency-Key: agent \"{}\" takes no request without one", r.agent)};
  if (!key) {
    out.problem(*world_, key.error());
    return false;
  }
  r.idempotency_key = key->value_or(std::string{});
  r.strict = rule == idempotency_rule::strict;
  if (auto parent = in.headers.value_or("traceparent", {}); parent.size() == traceparent_size)
    r.traceparent = parent;
  r.tenant = in.headers.value_or("Troupe-Tenant", {});
  if (auto named = r.tenant.empty() ? result<void>{} : check_tenant(r.tenant); !named) {
    auto why = std::move(named).error();
    why.message = "Troupe-Tenant: " + why.message;
    out.problem(*world_, std::move(why));
    return false;
  }
  return true;
}

void rest_gateway::models(const target& at, answer_slot out) const {
  auto one = [](std::string& to, const agent_options& a) {
    json_object_out o{to};
    o.text("id", a.name);
    o.text("object", "model");
    o.number("created", 0);
    o.text("owned_by", "troupe");
  };
  std::string body = R"({"object":"list","data":[)";
  for (const auto& a : world_->agents) {
    if (at.subject == a.name) {
      std::string alone;
      one(alone, a);
      out.json(*world_, 200, std::move(alone));
      return;
    }
    if (body.back() != '[')
      body += ',';
    one(body, a);
  }
  if (at.subject.empty())
    out.json(*world_, 200, body + "]}");
  else
    out.problem(*world_, error{errc::not_found, "no agent of this name"});
}

void rest_gateway::invoke(target at, net::http_server_request in, answer_slot out) {
  invoke_request r;
  r.agent = std::move(at.subject);
  if (!begin_request(in, r, out))
    return;
  auto prefer = parse_prefer(in.headers.value_or("prefer", {}));
  auto wait = std::min(prefer.wait.value_or(world_->options.wait_max), world_->options.wait_max);
  r.input = in.body.empty() ? std::string{"{}"} : std::move(in.body);
  r.wait = !prefer.respond_async && wait.count() > 0;
  auto waits = std::make_shared<waiting_request>(world_, std::move(out), !r.wait);
  waits->watch(world_->env.clock.now() + wait);
  r.observer = std::move(waits);
  caf::anon_send(world_->dispatcher, std::move(r));
}

idempotency_rule rest_gateway::rule_of(const std::string& agent) const {
  auto rule = world_->options.idempotency;
  for (const auto& a : world_->agents)
    if (a.name == agent)
      rule = std::max(rule, a.idempotency);
  return rule;
}

net::http_server_options server_options(const gateway_options& options) {
  net::http_server_options out;
  out.address = options.host;
  out.port = options.port;
  out.body_max = options.body_max;
  out.header_max = static_cast<std::uint32_t>(options.header_max);
  out.connections_max = options.connections_max;
  out.header_timeout = std::min(out.header_timeout, options.read_timeout);
  out.body_timeout = options.read_timeout;
  out.idle_timeout = options.idle_timeout;
  return out;
}

} // namespace troupe
