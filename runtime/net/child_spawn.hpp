#pragma once
// Starts a program with three pipes. Private to child_process.cpp.

#include "runtime/net/child_process.hpp"

#include <sys/types.h>
#include <unistd.h>

namespace troupe::net::detail {

/// Owns a descriptor.
class unique_fd {
public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~unique_fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0)
      ::close(std::exchange(fd_, -1));
  }

private:
  int fd_ = -1;
};

/// A child that runs, leader of its own group; whoever holds this must reap it.
struct spawned_child {
  pid_t pid = -1;
  unique_fd input; ///< non-blocking, as the others
  unique_fd output;
  unique_fd errors;
};

result<spawned_child> spawn_child(const child_spec& spec);

} // namespace troupe::net::detail
