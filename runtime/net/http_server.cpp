#include "runtime/net/http_server.hpp"

#include "runtime/net/http_session.hpp"
#include "runtime/net/problem.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <thread>

#include <fcntl.h>

namespace troupe::net {
namespace {

namespace asio = boost::asio;
using detail::outgoing;
using detail::tcp;
using std::chrono::milliseconds;

/// Timeouts are off by at most this; finer costs wake-ups of an idle process.
constexpr milliseconds tick_max{250};
constexpr milliseconds tick_min{10};
/// After an accept that failed (no more descriptors), before the next.
constexpr milliseconds accept_pause{100};

milliseconds tick_for(const http_server_options& o) {
  auto shortest = std::min({o.header_timeout, o.body_timeout, o.idle_timeout, o.write_timeout});
  return std::clamp(shortest / 4, tick_min, tick_max);
}

/// `Date: Sun, 06 Nov 1994 08:49:37 GMT` and CRLF; no locale has a say.
std::string date_field() {
  constexpr const char* days[]{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[]{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto now = std::time(nullptr);
  std::tm t{};
  gmtime_r(&now, &t);
  return fmt::format("Date: {}, {:02} {} {} {:02}:{:02}:{:02} GMT\r\n", days[t.tm_wday], t.tm_mday,
                     months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

error cannot_listen(const http_server_options& o, const boost::system::error_code& ec) {
  std::string_view remedy = "check `address` and `port`";
  if (ec == asio::error::address_in_use)
    remedy = "end the process that has it, or choose another `port` (0: any)";
  else if (ec == asio::error::access_denied)
    remedy = "ports below 1024 need privileges: choose a higher `port`";
  else if (ec == boost::system::errc::address_not_available)
    remedy = "this machine does not have that `address`: 127.0.0.1 is always there";
  auto colons = o.address.find(':') != std::string::npos;
  return error{errc::unavailable,
               fmt::format("cannot listen on {}{}{}:{}: {}; {}", colons ? "[" : "", o.address,
                           colons ? "]" : "", o.port, ec.message(), remedy)};
}

} // namespace

std::string_view http_server_request::path() const noexcept {
  return std::string_view{target}.substr(0, target.find('?'));
}

std::string_view http_server_request::query() const noexcept {
  auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view{} : std::string_view{target}.substr(mark + 1);
}

class http_server::impl {
public:
  impl(http_server_options options, http_handler handler) : tick_(tick_for(options)) {
    box_->stream_buffer_max = options.stream_buffer_max;
    box_->on_ready = [this] { deliver(); };
    shared_.options = std::move(options);
    shared_.handler = std::move(handler);
    shared_.box = box_;
  }

  ~impl() {
    if (!thread_.joinable())
      return;
    box_->close();
    asio::post(io_, [this] {
      stop_now();
      for (const auto& session : copy_of_sessions())
        session->close();
      ticker_.cancel();
      ended_ = true;
    });
    thread_.join();
  }

  result<void> listen() {
    const auto& o = shared_.options;
    boost::system::error_code ec;
    auto ip = asio::ip::make_address(o.address == "localhost" ? "127.0.0.1" : o.address, ec);
    if (ec)
      return error{errc::invalid_input, fmt::format("`{}` is not an IP address to listen on: give "
                                                    "one such as 127.0.0.1 as `address`",
                                                    o.address)};
    tcp::endpoint here{ip, o.port};
    if (acceptor_.open(here.protocol(), ec))
      return cannot_listen(o, ec);
    ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
    // Else a restart would have to wait for the connections of the process before it.
    acceptor_.set_option(asio::socket_base::reuse_address{true}, ec);
    if (acceptor_.bind(here, ec) || acceptor_.listen(asio::socket_base::max_listen_connections, ec))
      return cannot_listen(o, ec);
    port_ = acceptor_.local_endpoint().port();
    return {};
  }

  void run() {
    on_tick();
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
  }

  void stop() {
    asio::post(io_, [this] { stop_now(); });
  }

  bool drain(milliseconds within) {
    stop();
    std::unique_lock lock{shared_.mutex};
    return shared_.none_open.wait_for(lock, within,
                                      [this] { return stopped_ && shared_.open == 0; });
  }

  std::uint16_t port() const noexcept { return port_; }
  std::size_t connections() const noexcept { return shared_.open; }

private:
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& ec, detail::tcp_socket socket) {
      if (!acceptor_.is_open())
        return;
      if (ec)
        return accept_later();
      admit(std::move(socket));
      accept();
    });
  }

  void accept_later() {
    pause_.expires_after(accept_pause);
    pause_.async_wait([this](const boost::system::error_code& ec) {
      if (!ec && acceptor_.is_open())
        accept();
    });
  }

  void admit(detail::tcp_socket socket) {
    boost::system::error_code ec;
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    socket.non_blocking(true, ec);
    socket.set_option(tcp::no_delay{true}, ec);
    if (shared_.sessions.size() >= shared_.options.connections_max)
      return turn_away(socket);
    auto session = std::make_shared<detail::http_session>(std::move(socket), shared_);
    shared_.sessions.push_back(session);
    shared_.open = shared_.sessions.size();
    session->start();
  }

  /// As much of an answer as the socket takes at once.
  static void turn_away(detail::tcp_socket& socket) {
    error why{errc::overloaded, "too many connections (connections_max)"};
    auto body = problem_json(503, why.code, why.message);
    auto text = detail::format_head(503, detail::problem_headers()
                                           .add("Retry-After", "1")
                                           .add("Connection", "close")
                                           .add("Content-Length", std::to_string(body.size())))
                + "\r\n" + body;
    boost::system::error_code ignored;
    socket.write_some(asio::buffer(text), ignored);
    socket.shutdown(detail::tcp_socket::shutdown_send, ignored);
  }

  /// Answers of other threads, all that there are.
  void deliver() {
    box_->take(batch_);
    for (auto& step : batch_) {
      if (step.link->owner == nullptr)
        continue;
      auto session = step.link->owner->shared_from_this();
      session->on_step(step);
    }
    batch_.clear();
  }

  void on_tick() {
    shared_.now = std::chrono::steady_clock::now();
    if (auto second = std::time(nullptr); second != date_second_) {
      date_second_ = second;
      shared_.date = date_field();
    }
    for (const auto& session : copy_of_sessions())
      session->on_tick();
    if (ended_)
      return;
    ticker_.expires_after(tick_);
    ticker_.async_wait([this](const boost::system::error_code&) {
      if (!ended_)
        on_tick();
    });
  }

  void stop_now() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    shared_.draining = true;
    for (const auto& session : copy_of_sessions())
      session->on_drain();
    {
      std::lock_guard lock{shared_.mutex};
      stopped_ = true;
    }
    shared_.none_open.notify_all();
  }

  /// Sessions leave the list while it is walked.
  std::vector<std::shared_ptr<detail::http_session>> copy_of_sessions() { return shared_.sessions; }

  using timer
    = asio::basic_waitable_timer<std::chrono::steady_clock,
                                 asio::wait_traits<std::chrono::steady_clock>, detail::io_executor>;

  asio::io_context io_{1}; // one thread: Asio may leave out its locks' slow paths
  std::shared_ptr<detail::outbox> box_ = std::make_shared<detail::outbox>(io_);
  detail::server_shared shared_;
  asio::basic_socket_acceptor<tcp, detail::io_executor> acceptor_{io_};
  timer ticker_{io_};
  timer pause_{io_};
  milliseconds tick_;
  std::vector<outgoing> batch_;
  std::time_t date_second_ = 0;
  bool ended_ = false;
  bool stopped_ = false; ///< under `shared_.mutex`
  std::uint16_t port_ = 0;
  std::thread thread_;
};

result<std::unique_ptr<http_server>> http_server::start(http_server_options options,
                                                        http_handler handler) {
  auto server = std::make_unique<impl>(std::move(options), std::move(handler));
  if (auto listening = server->listen(); !listening)
    return std::move(listening).error();
  server->run();
  return std::unique_ptr<http_server>{new http_server{std::move(server)}};
}

http_server::http_server(std::unique_ptr<impl> impl) : impl_(std::move(impl)) {}

http_server::~http_server() = default;

std::uint16_t http_server::port() const noexcept {
  return impl_->port();
}

std::size_t http_server::connections() const noexcept {
  return impl_->connections();
}

void http_server::stop() {
  impl_->stop();
}

bool http_server::drain(milliseconds within) {
  return impl_->drain(within);
}

} // namespace troupe::net
