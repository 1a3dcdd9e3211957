#include "actors/tool/async_backend.hpp"

#include "actors/tool/async_host.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <mutex>

namespace troupe {
namespace {

class async_backend final : public tool_backend {
public:
  async_backend(function_tool function, const environment& env, net::http_transport& transport)
    : function_(std::move(function)), env_(env), transport_(transport) {}

  ~async_backend() override {
    if (host_)
      caf::anon_send_exit(host_, caf::exit_reason::user_shutdown);
  }

  void attach(caf::actor_system& system) override {
    std::lock_guard lock{mutex_};
    if (!host_)
      host_ = system.spawn<detail::async_host>(function_, env_, transport_);
  }

  void start(attempt_request request, attempt_done done) override {
    if (auto to = host())
      caf::anon_send(to, detail::async_start{std::move(request), std::move(done)});
    else
      done(error{errc::internal, "an async tool needs an actor system"});
  }

  void cancel(attempt_id id) override {
    if (auto to = host())
      caf::anon_send(to, detail::async_stop{id});
  }

private:
  caf::actor host() const {
    std::lock_guard lock{mutex_};
    return host_;
  }

  function_tool function_;
  const environment& env_;
  net::http_transport& transport_;
  mutable std::mutex mutex_;
  caf::actor host_;
};

} // namespace

std::shared_ptr<tool_backend> make_async_backend(function_tool function, const environment& env,
                                                 net::http_transport& transport) {
  return std::make_shared<async_backend>(std::move(function), env, transport);
}

} // namespace troupe
