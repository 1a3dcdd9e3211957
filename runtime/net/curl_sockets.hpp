#pragma once
// The sockets of one curl_multi, watched by epoll. Private to http_client.cpp.
//
// curl_multi_poll and curl_multi_perform look at every open request whenever one of them has
// something, with a system call each: at 64 requests most of the work is looking. Told which socket
// is ready, libcurl looks at that one alone.
//
// A connection that is kept for reuse stays in the epoll set, so that the next request on it costs
// no system call to watch it; should it speak meanwhile (it was closed), it is taken out.
//
// Threads: the client's; `wake` any. Outlives the multi handle, whose connections end through it.

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace troupe::net::detail {

class curl_sockets {
public:
  /// @throws std::system_error where the process has no descriptors left
  curl_sockets();
  ~curl_sockets();
  curl_sockets(const curl_sockets&) = delete;
  curl_sockets& operator=(const curl_sockets&) = delete;

  void attach(CURLM* multi);
  /// For each easy handle that is as new.
  void adopt(CURL* easy);

  /// Ends a `wait` that runs, or else the next one.
  void wake() const;
  /// Does what is due by time. Before each `wait`.
  void run_due();
  /// Until a socket is ready, something is due or somebody wakes; then serves the sockets.
  void wait();

private:
  using clock = std::chrono::steady_clock;

  struct watched {
    std::uint32_t events = 0; ///< as epoll has them; 0: it is not in the set
    bool wanted = false;      ///< libcurl asks for it now
    bool ours = false;        ///< a connection: its end is told
  };

  static int on_socket(CURL* easy, curl_socket_t fd, int what, void* self, void*);
  static int on_timer(CURLM* multi, long ms, void* self);
  static curl_socket_t on_open(void* self, curlsocktype type, curl_sockaddr* address);
  static int on_close(void* self, curl_socket_t fd);

  watched& at(curl_socket_t fd);
  void watch(curl_socket_t fd, std::uint32_t events);
  void unwatch(curl_socket_t fd);
  void act(curl_socket_t fd, std::uint32_t events);
  int timeout_ms() const;

  CURLM* multi_ = nullptr;
  int epoll_ = -1;
  int event_ = -1;
  std::vector<watched> sockets_; ///< by descriptor: they are small numbers
  clock::time_point due_ = clock::time_point::max();
};

} // namespace troupe::net::detail
