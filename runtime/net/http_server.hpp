#pragma once
// The HTTP/1.1 server: Boost.Beast's parser and Asio's sockets on one I/O thread.
//
// An answer is seldom known when a request arrives: an actor has to run first. So a handler gets
// the request and a `responder`, a handle that may be kept and answered later, once, from any
// thread. Answers of other threads are collected and handed over in batches, one wake-up for all of
// them.
//
//     auto server = http_server::start({.port = 0}, [](http_server_request in, responder out) {
//       out.respond(200, http_headers{{"content-type", "text/plain"}}, in.body);
//     });
//
// One request of a connection is answered after the other, in order; what a client sends meanwhile
// waits in the socket. Requests that are too large, too slow or malformed are answered here, with
// problem+json, and never reach the handler.

#include "runtime/core/result.hpp"
#include "runtime/net/http_headers.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::net {

struct http_server_options {
  // Behaviour
  /// An IP address or `localhost`. Anything but loopback is for the gateway to allow.
  std::string address = "127.0.0.1";
  /// 0: any free port, see `port()`.
  std::uint16_t port = 7070;

  // Bounds
  /// Bytes of one request's body; 413. Inputs of agents are documents, not films.
  std::size_t body_max = 8U << 20U;
  /// Bytes of request line and headers; 431. Twice what browsers send with large cookies.
  std::uint32_t header_max = 16U << 10U;
  /// Bytes of all bodies that are being read; 503. Many slow uploads must not fill the memory.
  std::size_t bodies_max = 256U << 20U;
  /// Open connections; further ones get 503 and are closed. Each holds some 5 KB.
  std::size_t connections_max = 4'096;
  /// Bytes of a stream that wait for a slow reader; past it, the reader is dropped.
  std::size_t stream_buffer_max = 1U << 20U;
  /// From a request's first byte to the end of its headers; 408.
  std::chrono::milliseconds header_timeout{10'000};
  /// From there to the end of the body; 408.
  std::chrono::milliseconds body_timeout{30'000};
  /// Between two requests; the connection is closed. Longer than usual proxies keep theirs.
  std::chrono::milliseconds idle_timeout{75'000};
  /// For a reader that takes nothing of what is written to it; the connection is closed.
  std::chrono::milliseconds write_timeout{30'000};
};

struct http_server_request {
  std::string method;
  std::string target; ///< as sent: path and query
  http_headers headers;
  std::string body;

  std::string_view path() const noexcept;
  std::string_view query() const noexcept; ///< without the `?`; still percent-encoded
};

namespace detail {
struct connection_link;
}

/// The right to answer one request. Movable, and usable from one thread at a time, any of them.
/// Destroyed unanswered, it answers 500; within a stream, it cuts the connection, so that the
/// client sees that the stream is not whole. May outlive the server, and then does nothing.
class responder {
public:
  responder() = default;
  explicit responder(std::shared_ptr<detail::connection_link> link);
  responder(responder&& other) noexcept = default;
  responder& operator=(responder&& other) noexcept;
  ~responder();

  /// Answers. Length, date and connection fields are added; CR and LF in fields become spaces.
  void respond(int status, http_headers headers, std::string body);
  /// Answers with `problem+json` (see problem.hpp), with `Retry-After` where the error has it.
  void respond(const error& problem, std::string_view instance = {});

  /// Begins an answer of unknown length. Its status is 200.
  void start_stream(http_headers headers);
  /// Queues a piece. `cancelled` when the client has gone; `overloaded` when it reads so slowly
  /// that more than `stream_buffer_max` bytes wait: it is dropped.
  result<void> write_chunk(std::string bytes);
  /// Bytes of the stream that the client has not taken yet; about to be wrong.
  std::size_t waiting() const noexcept;
  /// Ends the stream.
  void finish();

  /// True when the client has gone, or has ended its side of the connection.
  bool closed() const;
  /// True when the connection is no more. One whose client has ended its side may still be read by
  /// it; TCP does not tell that from a client that has gone.
  bool gone() const;
  /// Calls `f` on the I/O thread when that happens before the answer is complete, or at once when
  /// it already has. It must not block.
  void on_close(std::function<void()> f);

  /// False after `respond` or `finish`.
  explicit operator bool() const noexcept { return link_ != nullptr; }

private:
  void abandon();

  std::shared_ptr<detail::connection_link> link_;
  bool streaming_ = false;
};

/// Called on the I/O thread; must not block. An exception is a bug, and answered with 500.
using http_handler = std::function<void(http_server_request, responder)>;

class http_server {
public:
  /// Binds and serves. `unavailable` when the address or port cannot be had; the message says which
  /// and what to do.
  static result<std::unique_ptr<http_server>> start(http_server_options options,
                                                    http_handler handler);

  /// Cuts all connections and joins the I/O thread; not to be called on it.
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// The port that was bound.
  std::uint16_t port() const noexcept;
  /// Open connections.
  std::size_t connections() const noexcept;

  /// Accepts no more connections, closes the idle ones, and the others after the answer that is
  /// due.
  void stop();
  /// `stop`, then waits until all connections have ended. False when `within` passes first.
  bool drain(std::chrono::milliseconds within);

private:
  class impl;
  explicit http_server(std::unique_ptr<impl> impl);
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::net
