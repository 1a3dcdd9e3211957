#pragma once
// HTTP for tests: one request, answered or failed.

#include "runtime/core/json.hpp"
#include "runtime/net/http_client.hpp"

#include <boost/json/value.hpp>

#include <future>
#include <string>

namespace troupe::test {

/// What came back. Status 0: no answer.
struct http_answer {
  int status = 0;
  std::string body;
  net::http_headers headers;
  std::string failure;

  /// The body; null where it is no JSON.
  boost::json::value json() const {
    auto parsed = parse_json(body);
    return parsed ? std::move(*parsed) : boost::json::value{};
  }
  /// A text of the body's object, other values as JSON; empty where it is missing.
  std::string text(std::string_view name) const {
    auto all = json();
    const auto* o = all.if_object();
    const auto* v = o == nullptr ? nullptr : o->if_contains({name.data(), name.size()});
    if (v == nullptr)
      return {};
    if (const auto* s = v->if_string())
      return std::string{s->data(), s->size()};
    return to_json(*v);
  }
};

/// Sends to one server. Thread-safe.
class http_peer {
public:
  explicit http_peer(std::string base) : base_(std::move(base)) {}

  http_answer send(std::string method, std::string_view path, std::string body = {},
                   net::http_headers headers = {},
                   std::chrono::milliseconds timeout = std::chrono::seconds{20}) {
    net::http_request r;
    r.method = std::move(method);
    r.url = base_ + std::string{path};
    r.body = std::move(body);
    r.headers = std::move(headers);
    r.timeout = timeout;
    r.proxy = std::string{};
    std::promise<net::http_response_or_error> promise;
    auto future = promise.get_future();
    client_.send(std::move(r), [&promise](net::http_response_or_error got) {
      promise.set_value(std::move(got));
    });
    auto got = future.get();
    if (!got)
      return {0, {}, {}, got.error().message};
    return {got->status, std::move(got->body), std::move(got->headers), {}};
  }
  http_answer get(std::string_view path, net::http_headers headers = {}) {
    return send("GET", path, {}, std::move(headers));
  }
  http_answer post(std::string_view path, std::string body = {}, net::http_headers headers = {}) {
    return send("POST", path, std::move(body), std::move(headers));
  }

private:
  std::string base_;
  net::http_client client_;
};

} // namespace troupe::test
