// Requests to a server, and the calls of its tools. See mcp_client_actor.hpp.

#include "actors/tool/mcp_client_actor.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// The carrier gives up this much after us: we know more of what a timeout means.
constexpr milliseconds carrier_grace{1'000};

/// Times that a stream is taken up again within one request.
constexpr int resumes_max = 5;
/// Before that, where the server does not say how long; and the longest that it may say.
constexpr milliseconds resume_pause{500};
constexpr milliseconds resume_pause_max{30'000};

} // namespace

mcp_outgoing mcp_client_actor::outgoing(std::uint64_t id, std::string_view method,
                                        std::string_view fields) const {
  mcp_outgoing out;
  out.id = id;
  out.method = method;
  mcp_meta meta;
  meta.modern = dialect_.modern;
  out.body = rpc_request(id, method, mcp_params(fields, meta));
  out.timeout = options_.request_timeout + carrier_grace;
  return out;
}

/// Sends, and waits for the answer; over cuts of its stream, where the server lets us go on.
async<mcp_reply> mcp_client_actor::ask(mcp_outgoing out, milliseconds patience, utc_time hard) {
  auto id = out.id;
  auto timeout = out.timeout;
  for (int resumes = 0;; ++resumes) {
    auto reply = co_await once(std::move(out), patience, hard);
    bool goes_on = reply.cut && !dialect_.modern && !reply.last_event_id.empty();
    if (!goes_on || resumes == resumes_max)
      co_return std::move(reply);
    exchange pause; // under the request's id: a cancellation finds it
    pause.no = id;
    exchanges_[id] = &pause;
    auto wait = std::clamp(reply.come_back.value_or(resume_pause), milliseconds{0},
                           resume_pause_max);
    utc_time due = env_.clock.now() + wait;
    auto woken = co_await waits_.wait(pause, std::min(due, hard));
    exchanges_.erase(id);
    if (woken != wake::due || env_.clock.now() >= hard)
      co_return std::move(reply);
    out = mcp_outgoing{};
    out.id = id;
    out.last_event_id = reply.last_event_id;
    out.timeout = timeout;
  }
}

async<mcp_reply> mcp_client_actor::once(mcp_outgoing out, milliseconds patience, utc_time hard) {
  exchange x;
  x.no = out.id;
  x.patience = patience;
  x.hard = hard;
  auto sent = transport_->send(std::move(out));
  if (!sent) {
    x.reply.value = std::move(sent).error();
    co_return std::move(x.reply);
  }
  exchanges_[x.no] = &x;
  utc_time due = env_.clock.now() + patience;
  auto woken = co_await waits_.wait(x, std::min(due, hard));
  exchanges_.erase(x.no);
  if (woken == wake::answered || woken == wake::refused)
    co_return std::move(x.reply);
  x.reply.timed_out = woken == wake::due;
  if (x.reply.timed_out)
    x.reply.value = error{errc::timed_out,
                          fmt::format("no answer within {} ms", patience.count()),
                          certainty::unknown};
  else
    x.reply.value = error{errc::cancelled, "cancelled while it ran", certainty::unknown};
  tell_cancelled(x.no, x.reply.timed_out ? "timed out" : "cancelled");
  co_return std::move(x.reply);
}

/// Where a request has a stream of its own, its end is the message, in the newer era; in the older
/// one a lost connection means nothing, so both are done.
void mcp_client_actor::tell_cancelled(std::uint64_t id, std::string_view why) {
  if (!transport_open_)
    return;
  transport_->drop(id);
  if (dialect_.version.empty() || (dialect_.modern && transport_->streams()))
    return; // there is no `initialize` to cancel
  mcp_outgoing note;
  note.method = "notifications/cancelled";
  note.body = rpc_notification(note.method,
                               fmt::format(R"({{"requestId":{},"reason":{}}})", id, to_json(why)));
  if (auto sent = transport_->send(std::move(note)); !sent)
    report(level::debug, "mcp.cancel_unsent", to_string(sent.error().code), {});
}

// -- attempts of its tools -----------------------------------------------------------------------

void mcp_client_actor::on_attempt(mcp_attempt& a) {
  auto key = call_key{a.backend, a.request.id};
  auto& c = calls_[key];
  c = std::make_unique<call>();
  c->no = next_no();
  c->attempt = std::move(a);
  scope_.spawn(serve(c.get()));
}

void mcp_client_actor::on_attempt_cancel(const mcp_attempt_cancel& m) {
  auto i = calls_.find({m.backend, m.id});
  if (i == calls_.end() || i->second->cancelled)
    return;
  auto& c = *i->second;
  c.cancelled = true;
  if (auto* x = open_exchange(c.in_flight)) {
    x->cancelled = true;
    waits_.wake_up(*x, wake::cancelled);
    return;
  }
  waits_.wake_up(c, wake::cancelled);
}

async<void> mcp_client_actor::serve(call* c) {
  auto outcome = co_await attempt(c);
  auto done = std::move(c->attempt.done);
  calls_.erase({c->attempt.backend, c->attempt.request.id});
  done(std::move(outcome));
}

async<result<std::string>> mcp_client_actor::attempt(call* c) {
  const auto& request = c->attempt.request;
  auto begun = env_.clock.now();
  auto until = std::min(utc_time{begun + request.timeout}, request.deadline);
  auto hard = std::min(utc_time{begun + std::max(options_.progress_max, request.timeout)},
                       request.deadline);
  for (bool again = false;; again = true) {
    auto up = co_await wait_until_up(c, until);
    if (!up)
      co_return std::move(up).error();
    auto out = outgoing_call(c->attempt);
    c->in_flight = out.id = next_no();
    mcp_meta meta;
    meta.modern = dialect_.modern;
    meta.progress_token = out.id;
    meta.key = request.key;
    out.body = rpc_request(out.id, out.method,
                           mcp_params(call_fields(out.tool, request.body), meta));
    out.timeout = std::chrono::ceil<milliseconds>(hard - env_.clock.now()) + carrier_grace;
    auto patience = again ? std::chrono::ceil<milliseconds>(until - env_.clock.now())
                          : request.timeout;
    auto reply = co_await ask(std::move(out), patience, hard);
    c->in_flight = 0;
    if (reply.session_lost && !again && !c->cancelled) {
      lose_session(); // it was turned away at the door, so it goes to the next one
      continue;
    }
    co_return outcome_of(reply, c->attempt);
  }
}

/// Waits until the server is up; not at all where it will not try in time.
async<result<void>> mcp_client_actor::wait_until_up(waiting_call* c, utc_time until) {
  while (phase_ != phase::up) {
    error why{errc::unavailable, fmt::format("the MCP server '{}' is not up{}{}", options_.name,
                                             why_down_.message.empty() ? "" : ": ",
                                             why_down_.message)};
    auto now = env_.clock.now();
    if (phase_ == phase::down && next_try_ > now)
      why.retry_after = std::chrono::ceil<milliseconds>(next_try_ - now);
    bool in_time = phase_ == phase::connecting || (phase_ == phase::down && next_try_ < until);
    if (!in_time || now >= until)
      co_return std::move(why);
    if (held_.size() >= mcp_held_max)
      co_return error{errc::overloaded, fmt::format("{} calls wait for the MCP server '{}'",
                                                    held_.size(), options_.name)};
    held_.insert(c);
    auto woken = co_await waits_.wait(*c, until);
    held_.erase(c);
    if (woken == wake::cancelled)
      co_return error{errc::cancelled, "cancelled before it was sent"};
  }
  co_return result<void>{};
}

mcp_outgoing mcp_client_actor::outgoing_call(const mcp_attempt& a) const {
  mcp_outgoing out;
  out.method = "tools/call";
  out.tool = a.tool->name;
  if (dialect_.modern)
    out.arguments = argument_headers(*a.tool, a.request.body);
  out.repeatable = repeatable(a.request.cls);
  return out;
}

result<std::string> mcp_client_actor::outcome_of(const mcp_reply& reply, const mcp_attempt& a) {
  if (reply.failure && reply.failure->code == rpc_header_mismatch) {
    stale_ = true; // its idea of the tool has changed
    waits_.wake_up(life_, wake::answered);
  }
  if (reply.failure)
    return call_failure(*reply.failure);
  if (!reply.value)
    return reply.value.error();
  return mcp_outcome(*reply.value, *a.tool, a.form);
}

// -- calls for tools that are not there ----------------------------------------------------------

void mcp_client_actor::on_stray_call(call_request& r) {
  auto s = std::make_unique<stray>();
  auto promise = make_response_promise();
  s->caller = r.id;
  s->tool = r.service;
  s->until = std::min(r.deadline, utc_time{env_.clock.now() + mcp_unknown_tool_wait});
  s->refuse = [promise](error why) mutable {
    call_reply reply;
    reply.outcome = std::move(why);
    promise.deliver(std::move(reply));
  };
  auto request = std::make_shared<call_request>(std::move(r));
  s->pass_on = [promise, request](const caf::actor& to) mutable {
    promise.delegate(to, std::move(*request));
  };
  begin_stray(std::move(s));
}

void mcp_client_actor::on_stray_reconcile(reconcile_request& r) {
  auto s = std::make_unique<stray>();
  auto promise = make_response_promise();
  s->tool = r.service;
  s->until = utc_time{env_.clock.now() + mcp_unknown_tool_wait};
  s->refuse = [promise](const error& why) mutable {
    reconcile_reply reply;
    reply.body = to_string(why);
    promise.deliver(std::move(reply));
  };
  auto request = std::make_shared<reconcile_request>(std::move(r));
  s->pass_on = [promise, request](const caf::actor& to) mutable {
    promise.delegate(to, std::move(*request));
  };
  begin_stray(std::move(s));
}

void mcp_client_actor::on_stray_cancel(call_id id) {
  for (auto& [no, s] : strays_)
    if (s->caller == id && id != 0) {
      s->cancelled = true;
      waits_.wake_up(*s, wake::cancelled);
      return;
    }
}

void mcp_client_actor::begin_stray(std::unique_ptr<stray> s) {
  s->no = next_no();
  auto* kept = s.get();
  strays_[kept->no] = std::move(s);
  scope_.spawn(find_tool(kept));
}

async<void> mcp_client_actor::find_tool(stray* s) {
  auto up = co_await wait_until_up(s, s->until);
  auto found = env_.services.find(s->tool);
  auto kept = std::move(strays_.at(s->no));
  strays_.erase(kept->no);
  if (!up)
    kept->refuse(std::move(up).error());
  else if (found && found->handle != this)
    kept->pass_on(found->handle);
  else
    kept->refuse(no_such_tool(kept->tool));
}

error mcp_client_actor::no_such_tool(const std::string& service) const {
  auto tool = service.substr(std::min(service.size(), service.find('.') + 1));
  if (auto refused = refused_.find(tool); refused != refused_.end())
    return error{errc::not_found, fmt::format("the tool '{}' of MCP server '{}' cannot be used: {}",
                                              tool, options_.name, refused->second)};
  return error{errc::not_found, fmt::format("the MCP server '{}' has no tool '{}'; it has {}",
                                            options_.name, tool, tool_names())};
}

} // namespace troupe
