#include "actors/tool/async_host.hpp"

#include "actors/tool/tool.hpp"

#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>

namespace troupe {
namespace detail {
namespace {

using std::chrono::milliseconds;

/// Suspends until the transport has answered.
class http_awaiter {
public:
  http_awaiter(async_attempt* a, net::http_request r) : attempt_(a), request_(std::move(r)) {}

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> h) {
    auto* driver = h.promise().on;
    attempt_->host->send_http({attempt_, driver->home, driver->id, 0, &got_}, std::move(request_));
  }
  result<net::http_response> await_resume() { return std::move(got_); }

private:
  async_attempt* attempt_;
  net::http_request request_;
  result<net::http_response> got_;
};

tool_context context_of(const attempt_request& r) {
  tool_context about;
  about.key = r.key;
  about.invocation = r.invocation;
  about.agent = r.agent;
  about.attempt = r.attempt;
  about.deadline = r.deadline;
  return about;
}

} // namespace

async_host::async_host(caf::actor_config& cfg, function_tool function, const environment& env,
                       net::http_transport& transport)
  : caf::event_based_actor(cfg), function_(std::move(function)), env_(env), transport_(transport) {}

caf::behavior async_host::make_behavior() {
  set_default_handler(caf::drop);
  return {
    [this](async_start& s) { on_start(s); },
    [this](async_answer& a) { on_answer(a); },
    [this](const async_stop& s) {
      stop(s.id, error{errc::cancelled, "cancelled while it ran", certainty::unknown});
    },
    [this](const async_over& o) { attempts_.erase(o.id); },
  };
}

void async_host::on_exit() {
  while (!attempts_.empty()) {
    auto id = attempts_.begin()->first;
    stop(id, error{errc::unavailable, "the tool ended", certainty::unknown});
  }
}

void async_host::on_start(async_start& s) {
  auto& slot = attempts_[s.request.id];
  slot = std::make_unique<async_attempt>();
  auto* a = slot.get();
  a->host = this;
  a->id = s.request.id;
  a->about = context_of(s.request);
  a->until = env_.clock.now() + s.request.timeout;
  a->done = std::move(s.done);
  a->frames.spawn(serve(a, std::move(s.request.body)));
}

async<void> async_host::serve(async_attempt* a, std::string arguments) {
  result<std::string> outcome;
  try {
    auto work = function_.start(std::move(arguments), async_call{a});
    outcome = co_await std::move(work);
  } catch (const std::exception& e) {
    outcome = error{errc::internal, fmt::format("'{}' threw: {}", function_.name, e.what()),
                    certainty::unknown};
  } catch (...) {
    outcome = error{errc::internal, fmt::format("'{}' threw", function_.name), certainty::unknown};
  }
  finish(a, std::move(outcome));
}

/// The frame that calls this still runs: it goes with a message of its own.
void async_host::finish(async_attempt* a, result<std::string> outcome) {
  auto done = std::exchange(a->done, nullptr);
  send(this, async_over{a->id});
  done(std::move(outcome));
}

void async_host::stop(attempt_id id, error why) {
  auto found = attempts_.extract(id);
  if (found.empty())
    return;
  auto a = std::move(found.mapped());
  a->frames.clear();
  std::erase_if(waits_, [&](const auto& entry) {
    bool own = entry.second.attempt == a.get();
    if (own)
      transport_.cancel(entry.second.request);
    return own;
  });
  std::erase_if(inner_, [&](const auto& entry) {
    bool own = entry.second.attempt == id;
    if (own)
      send(entry.second.service, call_cancel{entry.first});
    return own;
  });
  if (a->done)
    a->done(std::move(why));
}

void async_host::send_http(http_wait wait, net::http_request request) {
  auto left = std::chrono::ceil<milliseconds>(wait.attempt->until - env_.clock.now());
  request.timeout = std::clamp(request.timeout, milliseconds{1}, std::max(left, milliseconds{1}));
  auto no = ++last_wait_;
  waits_[no] = wait;
  // Weak: an answer that comes after the actor's end is nobody's.
  waits_[no].request = transport_.send(
    std::move(request), [self = address(), no](result<net::http_response> got) {
      if (auto to = caf::actor_cast<caf::actor>(self))
        caf::anon_send(to, async_answer{no, std::move(got)});
    });
}

void async_host::on_answer(async_answer& a) {
  auto found = waits_.extract(a.wait);
  if (found.empty())
    return;
  auto& wait = found.mapped();
  *wait.got = std::move(a.got);
  wait.home->resume(wait.chain);
}

} // namespace detail

const tool_context& async_call::about() const {
  return attempt_->about;
}

caf::event_based_actor* async_call::self() const {
  return attempt_->host;
}

async<result<net::http_response>> async_call::send(detail::async_attempt* a, net::http_request r) {
  detail::http_awaiter answered{a, std::move(r)};
  auto got = co_await answered;
  co_return std::move(got);
}

async<result<std::string>> async_call::call(detail::async_attempt* a, std::string name,
                                            std::string arguments) {
  auto* host = a->host;
  auto service_name = tool_service_name(name);
  auto service = host->env().services.find(service_name);
  if (!service)
    co_return error{errc::not_found, fmt::format("there is no tool '{}'", name)};
  call_request r;
  r.id = host->env().random.next();
  r.service = std::move(service_name);
  r.body = std::move(arguments);
  r.key = fmt::format("{}/{}", a->about.key, ++a->calls);
  r.cls = service->info.cls;
  r.deadline = std::min(a->about.deadline, a->until);
  r.invocation = a->about.invocation;
  r.agent = a->about.agent;
  auto id = r.id;
  host->began(id, {a->id, service->handle});
  auto patience = service->info.total_timeout + std::chrono::seconds{1};
  auto reply = co_await troupe::ask<call_reply>(host, service->handle, patience, std::move(r));
  host->ended(id);
  if (!reply)
    co_return std::move(reply).error();
  co_return std::move(reply->outcome);
}

} // namespace troupe
