// Loaded before the C library (LD_PRELOAD): ends the process with SIGKILL at its n-th step that could
// matter to what is durable, before it is made. n comes from TROUPE_DIE_AT.
#include <atomic>
#include <csignal>
#include <cstdlib>

#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

long limit() {
  static const long at = [] {
    const auto* text = std::getenv("TROUPE_DIE_AT");
    return text == nullptr ? 0 : std::atol(text);
  }();
  return at;
}

void step() {
  static std::atomic<long> taken{0};
  if (limit() > 0 && ++taken == limit())
    kill(getpid(), SIGKILL);
}

template <class F>
F next(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

} // namespace

extern "C" {

ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t at) {
  static auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
  step();
  return real(fd, from, bytes, at);
}

int fdatasync(int fd) {
  static auto real = next<int (*)(int)>("fdatasync");
  step();
  return real(fd);
}

int fsync(int fd) {
  static auto real = next<int (*)(int)>("fsync");
  step();
  return real(fd);
}

int ftruncate64(int fd, off64_t size) noexcept {
  static auto real = next<int (*)(int, off64_t)>("ftruncate64");
  step();
  return real(fd, size);
}

} // extern "C"
