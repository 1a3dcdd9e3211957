#pragma once
// What responders on any thread and the server's I/O thread share. Private to the server.

#include "runtime/net/http_server.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <mutex>
#include <vector>

namespace troupe::net::detail {

class http_session;

/// A step of an answer on its way to the I/O thread.
struct outgoing {
  enum class step : std::uint8_t {
    answer, ///< head and body; ends the exchange
    begin,  ///< head of a stream
    chunk,  ///< piece of a stream
    end,    ///< ends the stream and the exchange
    cut,    ///< gives the connection up
  };

  std::shared_ptr<connection_link> link;
  step what;
  std::string head; ///< status line and fields, each with its CRLF
  std::string body;
};

/// Steps that wait for the I/O thread. One wake-up is posted for all that it has not taken.
class outbox {
public:
  explicit outbox(boost::asio::io_context& io) : io_(&io) {}

  void push(outgoing step);
  /// On the I/O thread: swaps what waits into `into`, which must be empty.
  void take(std::vector<outgoing>& into);
  /// From here on everything is dropped: the I/O context is about to go.
  void close();

  /// Set once, before the first connection.
  std::function<void()> on_ready;
  std::size_t stream_buffer_max = 0;

private:
  std::mutex mutex_;
  boost::asio::io_context* io_; ///< null when closed
  std::vector<outgoing> waiting_;
};

/// One connection, as its responders see it.
struct connection_link {
  explicit connection_link(std::shared_ptr<outbox> box) : out(std::move(box)) {}

  std::shared_ptr<outbox> out;
  http_session* owner = nullptr; ///< the I/O thread's own; null when the connection has gone
  std::atomic<bool> ended{false};
  std::atomic<bool> gone{false}; ///< no answer can reach it any more
  std::atomic<std::size_t> buffered{0}; ///< bytes of the stream that the socket has not taken
  std::mutex mutex;
  std::function<void()> on_close; ///< of the exchange that is open

  /// Marks the end of the client and tells whoever asked.
  void end();
};

/// `HTTP/1.1 200 OK` and fields, each with its CRLF.
std::string format_head(int status, const http_headers& headers);

/// The fields of a problem.
http_headers problem_headers();

} // namespace troupe::net::detail
