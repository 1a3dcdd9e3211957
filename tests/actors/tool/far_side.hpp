#pragma once
// A real HTTP server for backends to talk to, and a backend in front of it.

#include "actors/tool/http_backend.hpp"
#include "runtime/net/http_client.hpp"
#include "runtime/net/http_server.hpp"
#include "tests/actors/tool/backend_probe.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::test {

class fixed_time final : public time_source {
public:
  utc_time now() const override { return utc_time{std::chrono::seconds{1'000'000}}; }
  steady_time steady() const override { return {}; }
};

inline const fixed_time the_time;

/// A real server on the loopback that answers as it is told, and keeps what it got.
class far_side {
public:
  using rule = std::function<void(const net::http_server_request&, net::responder)>;

  explicit far_side(rule r) : rule_(std::move(r)) {
    auto started = net::http_server::start({.port = 0}, [this](auto in, auto out) {
      {
        std::lock_guard lock{mutex_};
        requests_.push_back(in);
      }
      rule_(in, std::move(out));
    });
    server_ = std::move(started.value());
  }

  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  net::http_server_request last() const {
    std::lock_guard lock{mutex_};
    REQUIRE_FALSE(requests_.empty());
    return requests_.back();
  }
  std::size_t count() const {
    std::lock_guard lock{mutex_};
    return requests_.size();
  }

private:
  rule rule_;
  mutable std::mutex mutex_;
  std::vector<net::http_server_request> requests_;
  std::unique_ptr<net::http_server> server_;
};

inline far_side::rule says(int status, std::string body, net::http_headers headers = {}) {
  headers.add("content-type", "application/json");
  return [=](const net::http_server_request&, net::responder out) {
    out.respond(status, headers, body);
  };
}

struct http_fixture {
  net::http_client client;
  far_side server;
  http_tool_options options;

  explicit http_fixture(far_side::rule r, const std::string& path = "/tickets/{id}")
    : server(std::move(r)) {
    options.url = server.url(path);
  }

  result<std::string> call(attempt_request request) {
    auto backend = make_http_backend(options, client, the_time);
    return backend_probe{*backend, std::move(request)}.outcome();
  }
};

} // namespace troupe::test
