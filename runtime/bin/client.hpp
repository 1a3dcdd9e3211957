#pragma once
// Talks to a running troupe. Private to this room.

#include "runtime/bin/commands.hpp"
#include "runtime/core/result.hpp"
#include "runtime/net/http_client.hpp"

#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::cli {

/// Thread-safe. Every call blocks its thread.
class client {
public:
  explicit client(const client_options& options);

  result<net::http_response> get(std::string_view path,
                                 std::chrono::milliseconds timeout = default_timeout) const;
  result<net::http_response> post(std::string_view path, std::string body,
                                  net::http_headers headers = {},
                                  std::chrono::milliseconds timeout = default_timeout) const;

  /// Hands on each piece of the answer as it comes.
  result<net::http_response> stream(std::string_view path, net::http_headers headers,
                                    std::function<bool(std::string_view)> on_chunk) const;

  const std::string& server() const noexcept { return server_; }

  static constexpr std::chrono::milliseconds default_timeout{30'000};

private:
  result<net::http_response> send(net::http_request request) const;

  std::string server_;
  secret token_;
  mutable net::http_client http_;
};

/// The status of an answer as an exit code.
int exit_of(int status) noexcept;

/// Says on stderr what a problem document or an error means, and gives the exit code.
int explain(const client& c, const result<net::http_response>& answer);

/// The body as JSON; null where it is none.
boost::json::value body_of(const net::http_response& answer);

/// For a path or a query: all but letters, digits and `-._~` as %XX.
std::string escape(std::string_view text);

} // namespace troupe::cli
