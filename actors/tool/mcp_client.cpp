#include "actors/tool/mcp_client.hpp"

#include "actors/tool/mcp_client_actor.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/messages.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <bit>

namespace troupe {
namespace {

/// Bytes of a line that a server wrote, in an event.
constexpr std::size_t line_shown_max = 500;

/// Lines of stderr that become events within `lines_window`: some servers talk all day.
constexpr std::uint32_t lines_max = 50;
constexpr std::chrono::seconds lines_window{10};

} // namespace

mcp_client_actor::mcp_client_actor(caf::actor_config& cfg, mcp_setup setup)
  : bounded_actor(cfg, tool_mailbox_max),
    env_(setup.env),
    options_(std::move(setup.options)),
    http_(std::move(setup.http)),
    catalog_(std::move(setup.catalog)),
    timer_(setup.timer),
    service_("mcp:" + options_.name),
    transport_(setup.connect()),
    waits_(*this, setup.env.clock, std::move(setup.timer), scope_) {
  life_.no = next_no();
}

caf::behavior mcp_client_actor::make_behavior() {
  set_default_handler(caf::drop);
  set_down_handler([this](caf::down_msg& d) { on_tool_down(d); });
  set_exit_handler([this](caf::exit_msg& e) { on_exit_asked(e.reason); });
  scope_.on_throw = [](const std::exception_ptr& thrown) { std::rethrow_exception(thrown); };
  scope_.spawn(live());
  return {
    [this](mcp_signal& s) { on_signal(s); },
    [this](mcp_attempt& a) { on_attempt(a); },
    [this](const mcp_attempt_cancel& c) { on_attempt_cancel(c); },
    [this](const timer_fired&) { waits_.on_timer(); },
    [this](call_request& r) { on_stray_call(r); },
    [this](reconcile_request& r) { on_stray_reconcile(r); },
    [this](const call_cancel& c) { on_stray_cancel(c.id); },
    [this](const mcp_await_first&) { return on_await_first(); },
  };
}

void mcp_client_actor::on_exit() {
  waits_.stop();
  scope_.clear();
  exchanges_.clear();
  held_.clear();
  for (auto& [key, c] : calls_) {
    error why{errc::unavailable, fmt::format("the client of MCP server '{}' ended", options_.name)};
    if (c->in_flight != 0)
      why.outcome = certainty::unknown;
    c->attempt.done(std::move(why));
  }
  calls_.clear();
  for (auto& [no, s] : strays_)
    s->refuse(error{errc::unavailable, "the client of the MCP server ended"});
  strays_.clear(); // promises hold their own actor
  phase_ = phase::stopping;
  settle_first();
  for (auto& [tool, known] : tools_) {
    forget(tool);
    send_exit(known.supervisor, caf::exit_reason::user_shutdown);
  }
  tools_.clear();
  for (const auto& supervisor : std::exchange(retired_, {}))
    send_exit(supervisor, caf::exit_reason::user_shutdown);
  transport_.reset();
  timer_ = nullptr;
  myself_ = nullptr;
}

void mcp_client_actor::on_exit_asked(const caf::error& reason) {
  if (reason == caf::exit_reason::kill || phase_ == phase::stopping || !transport_open_) {
    quit(reason);
    return;
  }
  phase_ = phase::stopping;
  myself_ = caf::actor_cast<caf::actor>(this); // whoever held us may let go: we are not done
  close_exchanges(error{errc::unavailable, "the MCP server is being stopped", certainty::unknown});
  wake_held(wake::refused);
  transport_->close(); // `closed` ends us; our supervisor's patience is the bound
}

// -- what the server says ------------------------------------------------------------------------

void mcp_client_actor::on_signal(mcp_signal& s) {
  transport_->handled();
  if (s.generation != generation_ || !transport_open_)
    return;
  if (s.what == mcp_signal::kind::message) {
    on_message(s);
    return;
  }
  if (s.what == mcp_signal::kind::log) {
    on_log(s.text);
    return;
  }
  if (s.what == mcp_signal::kind::closed) {
    transport_open_ = false;
    if (phase_ == phase::stopping) {
      quit(caf::exit_reason::user_shutdown);
      return;
    }
    if (phase_ != phase::down) // else it is we who close it, and why is known
      why_down_ = std::move(s.why);
    close_exchanges(why_down_);
    waits_.wake_up(life_, wake::answered);
    return;
  }
  auto* x = open_exchange(s.request);
  if (x == nullptr) {
    if (s.what == mcp_signal::kind::failed && s.request == 0)
      on_noise("a message that is too long");
    return;
  }
  x->reply.cut = s.what == mcp_signal::kind::cut;
  x->reply.status = s.status;
  x->reply.session_lost = s.session_lost;
  x->reply.come_back = s.come_back;
  if (x->reply.cut)
    x->reply.last_event_id = std::move(s.text);
  else if (auto said = read_rpc(s.text, options_.response_size_max); said && !said->empty())
    x->reply.failure = std::move(said->front().failure);
  x->reply.value = std::move(s.why);
  waits_.wake_up(*x, wake::answered);
}

void mcp_client_actor::on_message(mcp_signal& s) {
  auto all = read_rpc(s.text, options_.response_size_max);
  if (!all) {
    on_noise(s.text);
    return;
  }
  for (auto& m : *all) {
    if (m.method.empty()) {
      auto* x = open_exchange(m.number());
      if (x == nullptr)
        continue; // of a request that was given up
      if (m.failure)
        x->reply.value = call_failure(*m.failure);
      else
        x->reply.value = std::move(m.result);
      x->reply.failure = std::move(m.failure);
      waits_.wake_up(*x, wake::answered);
    } else if (!m.id.empty()) {
      on_request(m);
    } else {
      on_notification(m);
    }
  }
}

/// Servers of the older era ask us things too. We declare no capability, so only `ping` is due.
void mcp_client_actor::on_request(const rpc_message& m) {
  if (dialect_.modern)
    return; // it must not, and there is no way to answer
  mcp_outgoing out;
  auto refusal = fmt::format("troupe does not offer {}", m.method);
  out.body = m.method == "ping" ? rpc_result(m.id, "{}")
                                : rpc_refusal(m.id, rpc_method_not_found, refusal);
  if (auto sent = transport_->send(std::move(out)); !sent || m.method != "ping")
    report(level::debug, "mcp.asked", m.method, {});
}

void mcp_client_actor::on_notification(const rpc_message& m) {
  if (m.method == "notifications/tools/list_changed") {
    stale_ = true;
    waits_.wake_up(life_, wake::answered);
  } else if (m.method == "notifications/progress") {
    if (auto* x = open_exchange(progress_token(m.params)))
      waits_.put_off(*x, std::min(utc_time{env_.clock.now() + x->patience}, x->hard));
  }
}

/// Told at the first, the second, the fourth and so on: a program that prints is one line in the
/// log, and still to be seen after a day.
void mcp_client_actor::on_noise(const std::string& text) {
  ++noise_;
  if (std::has_single_bit(noise_))
    report(level::warning, "mcp.noise", "skipped",
           {{"count", to_json(noise_)}, {"text", to_json(text.substr(0, line_shown_max))}});
}

void mcp_client_actor::on_log(const std::string& text) {
  auto now = env_.clock.steady();
  if (now - lines_since_ >= lines_window) {
    if (lines_ > lines_max)
      report(level::info, "mcp.stderr", "dropped", {{"lines", to_json(lines_ - lines_max)}});
    lines_ = 0;
    lines_since_ = now;
  }
  if (++lines_ <= lines_max)
    report(level::info, "mcp.stderr", "said", {{"text", to_json(text.substr(0, line_shown_max))}});
}

mcp_client_actor::exchange* mcp_client_actor::open_exchange(std::uint64_t id) {
  auto i = exchanges_.find(id);
  return i == exchanges_.end() ? nullptr : i->second;
}

// -- who asks how it is --------------------------------------------------------------------------

caf::result<mcp_status> mcp_client_actor::on_await_first() {
  auto promise = make_response_promise();
  asking_.push_back(promise);
  if (settled_)
    settle_first();
  return promise;
}

void mcp_client_actor::settle_first() {
  settled_ = true;
  for (auto& promise : std::exchange(asking_, {})) {
    mcp_status s;
    s.up = phase_ == phase::up;
    s.tools = tools_.size();
    s.why = s.up ? "" : why_down_.message;
    promise.deliver(std::move(s));
  }
}

void mcp_client_actor::report(level l, std::string_view name, std::string_view what,
                              std::vector<std::pair<std::string_view, std::string>> fields) const {
  event e;
  e.lvl = l;
  e.name = name;
  e.service = service_;
  e.result = what;
  for (auto& [key, value] : fields)
    e.fields.emplace_back(key, std::move(value));
  env_.events.write(e);
}

caf::actor spawn_mcp_client(caf::actor_system& system, mcp_setup setup) {
  return caf::actor{system.spawn<mcp_client_actor>(std::move(setup))};
}

std::string mcp_service_name(std::string_view server) {
  return tool_service_name(mcp_tool_name(server, "*"));
}

service_info mcp_service_info(const mcp_options& options) {
  auto info = service_info_of(options.defaults);
  info.cls = effect_class::at_most_once;
  info.reconciles = true; // handed on to the tool, whose answer it is
  return info;
}

} // namespace troupe
