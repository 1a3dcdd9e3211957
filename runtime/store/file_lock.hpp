#pragma once
// One process per store.
//
// Two processes on one store would not damage it: the second fences the first. But starting a
// second one is nearly always a mistake, and then the running one must not be the one that dies.
// So the owner holds a lock on a file beside the store, and the second gets an error that names it.
//
// The lock is the kernel's: it goes with the process, however that ends. The file stays.

#include "runtime/core/result.hpp"

#include <filesystem>

namespace troupe::store {

class file_lock {
public:
  /// @param steal takes the lock although another process holds it; for a process that hangs, and
  ///              for tests of fencing
  /// @returns `errc::unavailable` naming the process that holds it
  static result<file_lock> acquire(const std::filesystem::path& file, bool steal);

  file_lock(file_lock&& other) noexcept;
  file_lock& operator=(file_lock&& other) noexcept;
  ~file_lock();

private:
  explicit file_lock(int fd) : fd_(fd) {}

  int fd_ = -1;
};

} // namespace troupe::store
