#pragma once
// One connection of the server. Private to the server; everything here is the I/O thread's own.

#include "runtime/net/http_link.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/basic_parser.hpp>

#include <atomic>
#include <condition_variable>
#include <optional>

namespace troupe::net::detail {

using boost::asio::ip::tcp;
using io_executor = boost::asio::io_context::executor_type;
using tcp_socket = boost::asio::basic_stream_socket<tcp, io_executor>;
using time_point = std::chrono::steady_clock::time_point;

/// What the connections of one server share.
struct server_shared {
  http_server_options options;
  http_handler handler;
  std::shared_ptr<outbox> box;
  std::vector<std::shared_ptr<http_session>> sessions;
  time_point now;         ///< as of the last tick: asking the clock twice a request costs more
  std::string date;       ///< `Date: ..` with its CRLF, as of the last tick
  std::size_t bodies = 0; ///< bytes of bodies that are being read
  bool draining = false;

  // For other threads.
  std::atomic<std::size_t> open{0};
  std::mutex mutex;
  std::condition_variable none_open;
};

/// Beast's parser, made to put what it finds straight into our request.
class request_parser final : public boost::beast::http::basic_parser<true> {
public:
  explicit request_parser(const http_server_options& options);

  http_server_request request;
  bool http_1_1 = true;

private:
  using text = boost::beast::string_view;
  using code = boost::beast::error_code;
  using chunk_length = boost::optional<std::uint64_t>;

  void on_request_impl(boost::beast::http::verb, text method, text target, int version,
                       code& ec) override;
  void on_response_impl(int, text, int, code&) override {}
  void on_field_impl(boost::beast::http::field, text name, text value, code& ec) override;
  void on_header_impl(code&) override {}
  void on_body_init_impl(const chunk_length& length, code& ec) override;
  std::size_t on_body_impl(text body, code& ec) override;
  void on_chunk_header_impl(std::uint64_t, text, code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, text body, code& ec) override;
  void on_finish_impl(code&) override {}
};

/// Reads ahead all the time, so that the end of a client is seen while its request is being
/// answered; stops when the buffer is full, and the socket holds the rest.
class http_session final : public std::enable_shared_from_this<http_session> {
public:
  http_session(tcp_socket socket, server_shared& shared);

  void start();
  /// A step of the answer has arrived.
  void on_step(outgoing& step);
  /// Time has passed: see the timeouts.
  void on_tick();
  /// The server accepts no more.
  void on_drain();
  void close();

private:
  enum class phase : std::uint8_t {
    idle,      ///< between two requests
    header,    ///< has a request's first bytes
    body,      ///< has its headers
    handling,  ///< the handler has it
    streaming, ///< the answer's head is out
    lingering, ///< the last answer is out: what the client still sends is thrown away
    closed,
  };

  void enter(phase next);
  void read();
  bool make_room();
  void on_read(const boost::system::error_code& ec, std::size_t bytes);
  void on_eof();
  void parse();
  bool feed();
  bool on_headers();
  void dispatch();
  void reject(const boost::beast::error_code& ec);
  void refuse(int status, const error& why);
  void complete();
  void append_head(outgoing& step);
  void append_chunk(outgoing& step);
  void flush();
  void flush_later();
  void on_flushed();
  void drop_parser();

  server_shared& shared_;
  tcp_socket socket_;
  std::shared_ptr<connection_link> link_;
  phase phase_ = phase::idle;
  time_point deadline_ = time_point::max();
  time_point write_deadline_ = time_point::max();

  std::vector<char> buffer_; ///< what was read lies in [begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool reading_ = false;
  bool peer_ended_ = false;

  std::optional<request_parser> parser_;
  std::size_t counted_body_ = 0; ///< our part of `server_shared::bodies`
  bool keep_alive_ = true;
  bool http_1_1_ = true;
  bool head_only_ = false;
  bool closing_ = false; ///< close when all is written

  std::string writing_; ///< [written_, end) is on its way
  std::string pending_; ///< comes after it
  std::size_t written_ = 0;
  bool write_waits_ = false;
  std::size_t writing_stream_bytes_ = 0;
  std::size_t pending_stream_bytes_ = 0;
};

} // namespace troupe::net::detail
