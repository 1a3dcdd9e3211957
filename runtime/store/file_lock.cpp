#include "runtime/store/file_lock.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::store {
namespace {

error failure(const std::filesystem::path& file, std::string_view what) {
  return {errc::store_failed, fmt::format("cannot {} {}: {}", what, file.string(),
                                          std::strerror(errno))};
}

error in_use(const std::filesystem::path& file, int fd) {
  char text[24] = {};
  auto n = ::pread(fd, text, sizeof text - 1, 0);
  long pid = 0;
  if (n > 0)
    std::from_chars(text, text + n, pid);
  auto who = pid > 0 ? fmt::format("process {}", pid) : std::string{"another process"};
  auto store = file;
  store.replace_extension(); // x.db.lock -> x.db
  return {errc::unavailable, fmt::format("store {} is in use by {}", store.string(), who)};
}

// Whether `fd` is still what stands under this name: a thief puts a new file there.
bool still_named(const std::filesystem::path& file, int fd) {
  struct stat held {};
  struct stat named {};
  return ::fstat(fd, &held) == 0 && ::stat(file.c_str(), &named) == 0
         && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

bool write_pid(int fd) {
  auto text = fmt::format("{}\n", ::getpid());
  return ::ftruncate(fd, 0) == 0
         && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

} // namespace

result<file_lock> file_lock::acquire(const std::filesystem::path& file, bool steal) {
  constexpr int attempts_max = 10; // a thief may replace the file between open and lock
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    file_lock lock{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (lock.fd_ < 0)
      return failure(file, "open lock file");
    if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK)
        return failure(file, "lock");
      if (!steal)
        return in_use(file, lock.fd_);
      // The old owner keeps its lock on a file without a name; the epoch stops its writes.
      if (::unlink(file.c_str()) != 0 && errno != ENOENT)
        return failure(file, "replace lock file");
      continue;
    }
    if (!still_named(file, lock.fd_))
      continue;
    // Only information for others, so a full disk must not keep the store from opening.
    (void)write_pid(lock.fd_);
    return lock;
  }
  return error{errc::unavailable, fmt::format("lock file {} keeps changing", file.string())};
}

file_lock::file_lock(file_lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

file_lock& file_lock::operator=(file_lock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

file_lock::~file_lock() {
  if (fd_ >= 0)
    ::close(fd_);
}

} // namespace troupe::store
