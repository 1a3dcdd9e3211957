#pragma once
// The HTTP client: libcurl's multi interface on a thread of its own.
//
// Hundreds of agents wait for models and tools at once; a thread for each would be a thread for
// each. One thread drives all sockets, keeps connections (HTTP/2 over TLS where the peer offers it)
// and calls back.
//
// Errors and what they mean for the effect:
//   invalid_input     URL or header that cannot be sent                        definite
//   overloaded        `in_flight_max` requests are open already                definite
//   unavailable       no name, no connection, no TLS: nothing was sent         definite
//   timed_out         no complete answer in time, after sending began          unknown
//   unavailable       connection cut after sending began                       unknown
//   output_too_large  the answer is larger than `response_size_max`            unknown
//   cancelled, shutting_down   definite where nothing was sent, else unknown
//
// The destructor ends every open request with `shutting_down` and waits for its callbacks. It may
// run inside a callback.

#include "runtime/net/http_transport.hpp"

#include <memory>

namespace troupe::net {

struct http_client_options {
  /// Requests open at once; each costs a socket and some 20 KB. Further ones are `overloaded`.
  std::size_t in_flight_max = 1'024;
  /// Connections kept for reuse; more than the peers of one troupe.
  std::size_t idle_connections_max = 64;
  /// Connections to one host; further requests wait within their timeout. 0: no bound of its own.
  std::size_t connections_per_host_max = 0;
  /// Certificates of authorities, PEM; empty: the system's.
  std::string ca_file;
  /// Sent where the request has no `User-Agent`.
  std::string user_agent = "troupe";
};

class http_client final : public http_transport {
public:
  explicit http_client(http_client_options options = {});
  ~http_client() override;
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  request_id send(http_request request, http_done done) override;
  void cancel(request_id id) override;

  /// Requests whose `done` has not been called.
  std::size_t in_flight() const;

private:
  class loop;
  std::shared_ptr<loop> loop_;
};

} // namespace troupe::net
