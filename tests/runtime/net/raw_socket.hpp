#pragma once
// Plain sockets, for peers that misbehave in ways that a library would not.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::test {

/// What a test waits for at most before it fails.
constexpr int patience_ms = 10'000;

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// One connection.
class raw_socket {
public:
  explicit raw_socket(int fd) : fd_(fd) {}
  raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  raw_socket(const raw_socket&) = delete;
  ~raw_socket() { close(); }

  static raw_socket to(std::uint16_t port) {
    raw_socket s{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto address = loopback(port);
    if (::connect(s.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
    return s;
  }

  void close() {
    if (fd_ >= 0)
      ::close(std::exchange(fd_, -1));
  }
  /// Goes without a word, as a machine that loses its power: the peer's half stays open, and only
  /// what it sends next is told that nobody is there. @returns false where the kernel does not let us
  bool vanish() {
    int on = 1;
    if (::setsockopt(fd_, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) != 0)
      return false;
    close();
    return true;
  }
  /// False when the peer has gone.
  bool send(std::string_view text) {
    while (!text.empty()) {
      auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0)
        return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  int handle() const { return fd_; }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }

  /// Reads until `mark` is there; returns everything up to its end, or what came before the end of
  /// the connection.
  std::string read_until(std::string_view mark) {
    for (;;) {
      if (auto at = read_.find(mark); at != std::string::npos) {
        auto found = read_.substr(0, at + mark.size());
        read_.erase(0, found.size());
        return found;
      }
      if (!fill())
        return std::exchange(read_, {});
    }
  }
  std::string read_to_end() {
    while (fill()) {
    }
    return std::exchange(read_, {});
  }

private:
  bool fill() {
    pollfd ready{fd_, POLLIN, 0};
    if (::poll(&ready, 1, patience_ms) <= 0)
      throw std::runtime_error("the peer says nothing");
    char piece[4096];
    auto n = ::recv(fd_, piece, sizeof piece, 0);
    if (n > 0)
      read_.append(piece, static_cast<std::size_t>(n));
    return n > 0;
  }

  int fd_;
  std::string read_;
};

/// Listens on any port.
class raw_listener {
public:
  raw_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(fd_, 16) != 0
        || ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
  }
  raw_listener(const raw_listener&) = delete;
  ~raw_listener() { ::close(fd_); }

  std::uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

  raw_socket accept() {
    if (!waits(patience_ms))
      throw std::runtime_error("nobody connects");
    return raw_socket{::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)};
  }
  /// Whether somebody has connected, or does so within `ms`.
  bool waits(int ms) const {
    pollfd ready{fd_, POLLIN, 0};
    return ::poll(&ready, 1, ms) > 0;
  }

private:
  int fd_;
  std::uint16_t port_ = 0;
};

} // namespace troupe::test
