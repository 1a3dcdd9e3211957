#include "runtime/store/files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::store {
namespace {

error failure(const char* what, const std::filesystem::path& path) {
  return {errc::store_failed, fmt::format("cannot {} {}: {}", what, path.string(),
                                          std::strerror(errno))};
}

} // namespace

result<void> make_directories(const std::filesystem::path& directory) {
  if (directory.empty() || ::access(directory.c_str(), F_OK) == 0)
    return {};
  auto parent = directory.parent_path();
  if (parent != directory)
    if (auto made = make_directories(parent); !made)
      return made;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return failure("create directory", directory);
  return sync_directory(parent);
}

result<void> make_file(const std::filesystem::path& file) {
  auto fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return failure("open", file);
  ::close(fd);
  return {};
}

result<void> sync_directory(const std::filesystem::path& directory) {
  auto fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    return failure("open directory", directory);
  auto done = ::fsync(fd) == 0;
  auto why = errno;
  ::close(fd);
  errno = why;
  // Some file systems know no such sync; then there is nothing that it would have to do.
  if (!done && why != EINVAL)
    return failure("sync directory", directory);
  return {};
}

} // namespace troupe::store
