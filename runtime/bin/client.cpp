#include "runtime/bin/client.hpp"

#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <future>

namespace troupe::cli {
namespace {

/// A stream stays open as long as its invocation; the gateway says every 15 s that it lives.
constexpr std::chrono::hours stream_timeout{24};

/// Answers of people's commands: a journal of 50,000 entries with its values.
constexpr std::size_t answer_max = std::size_t{256} << 20;

bool is_loopback_url(std::string_view url) {
  return url.starts_with("http://127.") || url.starts_with("http://localhost")
         || url.starts_with("http://[::1]");
}

} // namespace

client::client(const client_options& options) : server_(options.server), token_(options.token) {
  while (server_.ends_with('/'))
    server_.pop_back();
  if (!server_.starts_with("http://") && !server_.starts_with("https://"))
    server_ = "http://" + server_;
}

result<net::http_response> client::send(net::http_request request) const {
  request.url = server_ + request.url;
  request.response_size_max = answer_max;
  if (!token_.empty())
    request.headers.add("Authorization", "Bearer " + token_.reveal());
  if (is_loopback_url(server_)) // whatever the environment says of proxies
    request.proxy = std::string{};
  std::promise<net::http_response_or_error> promise;
  auto future = promise.get_future();
  http_.send(std::move(request),
             [&promise](net::http_response_or_error r) { promise.set_value(std::move(r)); });
  return future.get();
}

result<net::http_response> client::get(std::string_view path,
                                       std::chrono::milliseconds timeout) const {
  net::http_request r;
  r.url = path;
  r.timeout = timeout;
  r.repeatable = true;
  return send(std::move(r));
}

result<net::http_response> client::post(std::string_view path, std::string body,
                                        net::http_headers headers,
                                        std::chrono::milliseconds timeout) const {
  net::http_request r;
  r.method = "POST";
  r.url = path;
  r.body = std::move(body);
  r.headers = std::move(headers);
  r.headers.add("Content-Type", "application/json");
  r.timeout = timeout;
  return send(std::move(r));
}

result<net::http_response> client::stream(std::string_view path, net::http_headers headers,
                                          std::function<bool(std::string_view)> on_chunk) const {
  net::http_request r;
  r.url = path;
  r.headers = std::move(headers);
  r.timeout = stream_timeout;
  r.on_chunk = std::move(on_chunk);
  return send(std::move(r));
}

int exit_of(int status) noexcept {
  if (status >= 200 && status < 300)
    return exit_ok;
  switch (status) {
  case 400:
  case 413:
  case 431:
    return exit_usage;
  case 401:
  case 403:
    return exit_forbidden;
  case 404:
    return exit_not_found;
  case 409:
  case 422:
    return exit_conflict;
  case 429:
  case 503:
    return exit_unreachable;
  default:
    return exit_failed;
  }
}

int explain(const client& c, const result<net::http_response>& answer) {
  if (!answer) {
    complain(fmt::format("{}: {}", c.server(), answer.error().message));
    return exit_unreachable;
  }
  if (exit_of(answer->status) == exit_ok)
    return exit_ok;
  auto problem = body_of(*answer);
  auto detail = text_of(problem, "detail");
  if (detail.empty())
    detail = text_of(problem, "title");
  complain(detail.empty() ? fmt::format("{} answered {}", c.server(), answer->status)
                          : printable(detail));
  return exit_of(answer->status);
}

boost::json::value body_of(const net::http_response& answer) {
  auto json = parse_json(answer.body, {.bytes_max = answer_max});
  return json ? std::move(*json) : boost::json::value{};
}

std::string escape(std::string_view text) {
  std::string out;
  for (auto c : text) {
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
                 || std::string_view{"-._~"}.find(c) != std::string_view::npos;
    if (plain)
      out += c;
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

} // namespace troupe::cli
