#include "tests/bench/support/http_load.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace troupe::bench {
namespace {

using steady = std::chrono::steady_clock;

struct connection {
  int fd = -1;
  std::string in;
  steady::time_point sent;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return to;
}

int connect_to(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto to = loopback(port);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    fmt::print(stderr, "cannot connect to port {}\n", port);
    std::exit(1);
  }
  int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

// Length of the first whole response in `in`, or 0.
std::size_t whole_response(std::string_view in) {
  auto head = in.find("\r\n\r\n");
  if (head == std::string_view::npos)
    return 0;
  std::size_t length = 0;
  for (std::string_view name : {"Content-Length: ", "content-length: "})
    if (auto at = in.find(name); at != std::string_view::npos && at < head)
      length = std::strtoul(in.data() + at + name.size(), nullptr, 10);
  auto total = head + 4 + length;
  return in.size() >= total ? total : 0;
}

} // namespace

load_result http_load(std::uint16_t port, const std::string& path, const std::string& body,
                      int connections, double seconds) {
  auto request = fmt::format("POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nPrefer: wait=30\r\n"
                             "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                             path, body.size(), body);
  int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> all(static_cast<std::size_t>(connections));
  load_result out;
  out.took_ms.reserve(1'000'000);
  auto send_on = [&](connection& c) {
    c.sent = steady::now();
    if (::write(c.fd, request.data(), request.size()) != static_cast<ssize_t>(request.size()))
      ++out.errors;
  };
  auto begin = steady::now();
  for (auto& c : all) {
    c.fd = connect_to(port);
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.ptr = &c;
    ::epoll_ctl(poll, EPOLL_CTL_ADD, c.fd, &e);
    send_on(c);
  }
  std::array<epoll_event, 64> ready{};
  std::array<char, 65536> buffer{};
  auto end = begin + std::chrono::duration_cast<steady::duration>(
                       std::chrono::duration<double>(seconds));
  while (steady::now() < end) {
    int n = ::epoll_wait(poll, ready.data(), static_cast<int>(ready.size()), 100);
    for (int i = 0; i < n; ++i) {
      auto& c = *static_cast<connection*>(ready[static_cast<std::size_t>(i)].data.ptr);
      auto got = ::read(c.fd, buffer.data(), buffer.size());
      if (got <= 0) {
        fmt::print(stderr, "the server closed a connection\n");
        std::exit(1);
      }
      c.in.append(buffer.data(), static_cast<std::size_t>(got));
      if (auto whole = whole_response(c.in); whole > 0) {
        ++out.answers;
        if (c.in.compare(9, 3, "200") != 0 && out.errors++ == 0)
          fmt::print(stderr, "{}\n", c.in);
        c.in.erase(0, whole);
        out.took_ms.push_back(
          std::chrono::duration<double, std::milli>(steady::now() - c.sent).count());
        send_on(c);
      }
    }
  }
  out.seconds = std::chrono::duration<double>(steady::now() - begin).count();
  for (auto& c : all)
    ::close(c.fd);
  ::close(poll);
  return out;
}

std::uint16_t free_port() {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(fd, address, size) != 0 || ::getsockname(fd, address, &size) != 0)
    std::exit(1);
  ::close(fd);
  return ntohs(at.sin_port);
}

bool listens(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(port);
  bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
  ::close(fd);
  return ok;
}

} // namespace troupe::bench
