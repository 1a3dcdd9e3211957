#include "runtime/net/curl_sockets.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace troupe::net::detail {
namespace {

/// Sockets served between two looks at the commands.
constexpr std::size_t ready_max = 64;

/// Upper bound of one wait; a wake-up ends it earlier.
constexpr std::chrono::milliseconds wait_max{1'000};

int checked(int fd, const char* what) {
  if (fd < 0)
    throw std::system_error{errno, std::generic_category(), what};
  return fd;
}

std::uint32_t events_of(int what) {
  std::uint32_t out = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
    out |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
    out |= EPOLLOUT;
  return out;
}

} // namespace

curl_sockets::curl_sockets()
  : epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll")),
    event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = event_;
  if (event_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &e) != 0) {
    auto why = errno;
    ::close(event_);
    ::close(epoll_);
    throw std::system_error{why, std::generic_category(), "eventfd"};
  }
}

curl_sockets::~curl_sockets() {
  ::close(event_);
  ::close(epoll_);
}

void curl_sockets::attach(CURLM* multi) {
  multi_ = multi;
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &curl_sockets::on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &curl_sockets::on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
}

void curl_sockets::adopt(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &curl_sockets::on_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &curl_sockets::on_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
}

// -- the loop ------------------------------------------------------------------------------------

void curl_sockets::wake() const {
  std::uint64_t one = 1;
  [[maybe_unused]] auto wrote = ::write(event_, &one, sizeof one); // full: it is awake
}

void curl_sockets::run_due() {
  if (due_ == clock::time_point::max() || (due_ != clock::time_point::min() && due_ > clock::now()))
    return;
  due_ = clock::time_point::max(); // libcurl sets it anew, also where it is the same
  int running = 0;
  curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
}

int curl_sockets::timeout_ms() const {
  if (due_ == clock::time_point::min())
    return 0;
  if (due_ == clock::time_point::max())
    return static_cast<int>(wait_max.count());
  auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - clock::now());
  return static_cast<int>(std::clamp(left, std::chrono::milliseconds{0}, wait_max).count());
}

void curl_sockets::wait() {
  std::array<epoll_event, ready_max> ready{};
  auto n = ::epoll_wait(epoll_, ready.data(), ready.size(), timeout_ms());
  for (int i = 0; i < n; ++i) {
    const auto& e = ready[static_cast<std::size_t>(i)];
    std::uint64_t count = 0;
    if (e.data.fd != event_)
      act(e.data.fd, e.events);
    else
      [[maybe_unused]] auto got = ::read(event_, &count, sizeof count);
  }
}

// Neither bit, as after an error: libcurl looks itself.
void curl_sockets::act(curl_socket_t fd, std::uint32_t events) {
  if (!at(fd).wanted)
    return unwatch(fd); // a kept connection was closed, or speaks unasked
  int bits = ((events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0)
             | ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0);
  int running = 0;
  curl_multi_socket_action(multi_, fd, bits, &running);
}

// -- what libcurl says ---------------------------------------------------------------------------

int curl_sockets::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& me = *static_cast<curl_sockets*>(self);
  auto& s = me.at(fd);
  s.wanted = what != CURL_POLL_REMOVE && what != CURL_POLL_NONE;
  if (s.wanted)
    me.watch(fd, events_of(what));
  else if (!s.ours || s.events != EPOLLIN)
    me.unwatch(fd);
  return 0;
}

int curl_sockets::on_timer(CURLM*, long ms, void* self) {
  auto& me = *static_cast<curl_sockets*>(self);
  me.due_ = ms < 0    ? clock::time_point::max()
            : ms == 0 ? clock::time_point::min()
                      : clock::now() + std::chrono::milliseconds{ms};
  return 0;
}

curl_socket_t curl_sockets::on_open(void* self, curlsocktype, curl_sockaddr* address) {
  // No child process inherits it.
  auto fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd < 0)
    return CURL_SOCKET_BAD;
  auto& s = static_cast<curl_sockets*>(self)->at(fd);
  s = {};
  s.ours = true;
  return fd;
}

// Closed, it leaves the epoll set by itself.
int curl_sockets::on_close(void* self, curl_socket_t fd) {
  static_cast<curl_sockets*>(self)->at(fd) = {};
  return ::close(fd);
}

curl_sockets::watched& curl_sockets::at(curl_socket_t fd) {
  auto i = static_cast<std::size_t>(fd);
  if (i >= sockets_.size())
    sockets_.resize(i + 1);
  return sockets_[i];
}

void curl_sockets::watch(curl_socket_t fd, std::uint32_t events) {
  auto& s = at(fd);
  if (s.events == events && s.ours)
    return;
  epoll_event e{};
  e.events = events;
  e.data.fd = fd;
  // What is not ours may have been closed and opened again meanwhile. Where all fails, the request
  // ends by its timeout.
  bool added = ::epoll_ctl(epoll_, s.events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e) == 0
               || ::epoll_ctl(epoll_, s.events == 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) == 0;
  s.events = added ? events : 0;
}

void curl_sockets::unwatch(curl_socket_t fd) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  at(fd).events = 0;
}

} // namespace troupe::net::detail
