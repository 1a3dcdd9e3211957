#pragma once
// A measurement in a process of its own, so that peak memory, allocator and caches are its own.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <type_traits>

namespace troupe::bench {

/// Runs `f` in a child process and yields what it returns; ends this process when the child fails.
/// No thread may be running yet.
template <class F>
auto in_fresh_process(F f) {
  using value = std::invoke_result_t<F>;
  static_assert(std::is_trivially_copyable_v<value>);
  int ends[2];
  if (::pipe(ends) != 0)
    std::exit(1);
  auto child = ::fork();
  if (child == 0) {
    value v = f();
    auto wrote = ::write(ends[1], &v, sizeof v);
    std::_Exit(wrote == static_cast<ssize_t>(sizeof v) ? 0 : 1);
  }
  ::close(ends[1]);
  value v{};
  auto got = ::read(ends[0], &v, sizeof v);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (got != static_cast<ssize_t>(sizeof v))
    std::exit(1);
  return v;
}

} // namespace troupe::bench
