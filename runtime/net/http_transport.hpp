#pragma once
// One HTTP request and its answer, and whoever carries them.
//
// Tools and model endpoints are written against `http_transport`: in production it is
// `http_client`, in a test a script. An answer of any status is a response; an error means that
// there is no answer, and its `outcome` says whether the far side may have seen the request.

#include "runtime/core/result.hpp"
#include "runtime/net/http_headers.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::net {

/// Names one request, unique within its transport.
using request_id = std::uint64_t;

struct http_request {
  std::string method = "GET";
  std::string url; ///< http or https; redirects are answers, not followed
  http_headers headers;
  std::string body;

  /// From sending it to the last byte of the answer.
  std::chrono::milliseconds timeout{3'000};
  /// For name, TCP and TLS; a healthy peer needs a tenth of it.
  std::chrono::milliseconds connect_timeout{2'000};
  /// Headers and decoded body of the answer; past it, `output_too_large`.
  std::size_t response_size_max = 8U << 20U;
  /// Check the peer's certificate and name.
  bool tls_verify = true;
  /// Certificates of authorities, PEM, in place of the client's; empty: the client's.
  std::string ca_file;
  /// Proxy URL; empty: none; absent: as the environment says (`https_proxy`, `no_proxy`).
  std::optional<std::string> proxy;
  /// The request may reach the far side twice. When a kept connection dies before the first byte of
  /// an answer, libcurl sends again on a new one: fine for GET, HEAD and requests whose
  /// idempotency key is honoured, a double effect for all others.
  bool repeatable = false;
  /// Do not use a kept connection. For effects at most once: an idle connection that the far side
  /// closes at that moment would make the outcome unknown.
  bool fresh_connection = false;
  /// For answers of status 2xx: called for each piece of the body as it arrives, instead of keeping
  /// it. On the transport's thread; must not block. False ends the request as cancelled.
  std::function<bool(std::string_view)> on_chunk;
  /// With `on_chunk`, for answers of status 2xx: called once before it, with the fields that say how
  /// to read the body. On the transport's thread; must not block.
  std::function<void(const http_headers&)> on_head{};
};

/// How long the parts of a request took, each from its beginning.
struct http_timings {
  std::chrono::microseconds name_lookup{};
  std::chrono::microseconds connect{};
  std::chrono::microseconds tls{};
  std::chrono::microseconds first_byte{};
  std::chrono::microseconds total{};
  bool reused = false; ///< on a kept connection
};

struct http_response {
  int status = 0;
  http_headers headers;
  std::string body; ///< empty where `on_chunk` took it
  http_timings timings;
};

using http_response_or_error = result<http_response>;

/// Called exactly once; must not throw and must not block.
using http_done = std::function<void(http_response_or_error)>;

/// Carries requests. Thread-safe.
class http_transport {
public:
  virtual ~http_transport() = default;

  /// Starts a request; `done` is called on the transport's thread, never before `send` is entered,
  /// but possibly before it returns.
  virtual request_id send(http_request request, http_done done) = 0;

  /// Closes the connection of a request in flight; its `done` gets `cancelled`. Nothing happens
  /// when it has ended already.
  virtual void cancel(request_id id) = 0;
};

} // namespace troupe::net
