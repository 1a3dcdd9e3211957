#pragma once
// What the servers of these tests share: HTTP/1.1 on plain sockets, a thread each connection. A
// request is `POST /WORD/PATH` with the path of an API (wall_speech.hpp), or `GET /WORD`.

#include "tests/chaos/llm_wall/wall_speech.hpp"

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::test {

constexpr std::size_t head_max = 64U << 10U;
constexpr std::size_t body_max = 1U << 20U;

struct wall_request {
  std::string fault; ///< first part of the path
  std::string path;  ///< the rest
  std::string said;  ///< the last message
  std::string key;   ///< the API key
  bool streams = false;
  const speech* in = nullptr; ///< null: the path of no API
};

/// A connection, from its side; read and written by one thread.
class connection {
public:
  explicit connection(int fd) : fd_(fd) {}
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(fd_); }

  std::optional<wall_request> read() {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
      if (in_.size() > head_max || !more())
        return std::nullopt;
    auto head = in_.substr(0, end);
    in_.erase(0, end + 4);
    auto size = std::strtoul(header(head, "content-length:").c_str(), nullptr, 10);
    while (in_.size() < size)
      if (size > body_max || !more())
        return std::nullopt;
    auto body = in_.substr(0, size);
    in_.erase(0, size);
    return request_of(head, body);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// Until the other side goes away; what it sends is of no interest.
  void hang() {
    char ignored[512];
    while (recv(fd_, ignored, sizeof ignored, 0) > 0) {
    }
  }

  void reset() {
    linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

private:
  bool more() {
    char buffer[8192];
    auto n = recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0)
      return false;
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  /// What follows `name` in the head, up to the end of the line.
  static std::string header(const std::string& head, std::string_view name) {
    auto lower = head;
    for (auto& c : lower)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    auto at = lower.find("\r\n" + std::string{name});
    if (at == std::string::npos)
      return {};
    at += 2 + name.size();
    return head.substr(at, head.find("\r\n", at) - at);
  }

  static wall_request request_of(const std::string& head, const std::string& body) {
    wall_request out;
    auto begin = head.find(" /") + 2;
    auto target = head.substr(begin, head.find(' ', begin) - begin);
    auto slash = target.find('/');
    out.fault = target.substr(0, slash);
    out.path = slash == std::string::npos ? "" : target.substr(slash);
    out.key = header(head, "authorization: bearer ");
    boost::json::error_code failed;
    auto asked = boost::json::parse(body, failed);
    if (failed || !asked.is_object())
      return out;
    out.in = speech_of(out.path);
    if (out.in != nullptr)
      out.said = out.in->said(asked.as_object());
    const auto* s = asked.as_object().if_contains("stream");
    out.streams = s != nullptr && s->is_bool() && s->as_bool();
    return out;
  }

  int fd_;
  std::string in_;
};

inline std::string response(int status, std::string_view body, std::string_view more = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Wall\r\nContent-Type: application/json\r\n"
         + std::string{more} + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n"
         + std::string{body};
}

/// Says its port on stderr, as `NAME: port N`, and serves until it is killed.
///
/// @param serve gets the socket of each peer, in a thread of its own that may outlive main
/// @returns the exit code, where it cannot
inline int listen_for_ever(const char* name, void (*serve)(int)) {
  auto fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (fd < 0 || bind(fd, address, size) != 0 || listen(fd, 512) != 0
      || getsockname(fd, address, &size) != 0) {
    std::perror(name);
    return 1;
  }
  std::fprintf(stderr, "%s: port %d\n", name, ntohs(at.sin_port));
  for (;;) {
    auto peer = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) {
      if (errno == EINTR || errno == ECONNABORTED)
        continue;
      std::perror(name);
      return 1;
    }
    int on = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread{serve, peer}.detach();
  }
}

} // namespace troupe::test
