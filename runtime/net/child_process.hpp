#pragma once
// Runs a program and waits for it: no shell, bounded in time and output, nothing left behind.
//
// A tool that is a command must not hang its agent, fill the memory, inherit our sockets and
// secrets, or outlive us. So the child gets a process group of its own, only the environment that
// is named here, three pipes and no other descriptor; it is stopped at its deadline (SIGTERM to the
// group, SIGKILL after a grace), and dies with us. What is left of its group when it ends is
// killed.
//
// Blocks: call it on a `blocking_pool`. Errors and what they mean for the effect:
//   invalid_input     no argv, or a working directory that cannot be entered    definite
//   not_found         no such executable                                        definite
//   failed            found, but it cannot be executed                          definite
//   unavailable       no descriptor or process to be had                        definite
//   cancelled         definite before the start, unknown after it
//   timed_out         stopped at `timeout`                                      unknown
//   output_too_large  stopped at `output_max`                                   unknown
// A program that ends by itself is an outcome, whatever its exit code.

#include "runtime/core/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// Set by the kernel before the program starts; absent: as this process has it.
struct child_limits {
  std::optional<std::uint64_t> cpu_seconds;   ///< then SIGXCPU, a second later SIGKILL
  std::optional<std::uint64_t> address_space; ///< bytes
  std::optional<std::uint64_t> open_files;
  std::optional<std::uint64_t> file_size; ///< bytes of a file that it writes; then SIGXFSZ
  std::optional<std::uint64_t> processes; ///< of the whole user, and not for root: see setrlimit(2)
};

struct child_spec {
  /// Program and arguments. A name without a slash is looked up in `PATH`.
  std::vector<std::string> argv;
  /// Bytes for its stdin, which is then closed.
  std::string input;
  /// Variables that are passed on from our environment, where it has them. No secrets by default.
  std::vector<std::string> env_allow{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"};
  /// Further variables; these win.
  std::vector<std::pair<std::string, std::string>> env;
  /// Empty: ours.
  std::string working_dir;
  /// From the start to the end of the program.
  std::chrono::milliseconds timeout{30'000};
  /// Between SIGTERM and SIGKILL: time to write a last line, not to finish.
  std::chrono::milliseconds kill_grace{2'000};
  /// Bytes of stdout; past it the program is stopped.
  std::size_t output_max = 1U << 20U;
  /// Bytes of stderr that are kept, the first ones; the rest is read and dropped.
  std::size_t errors_max = 64U << 10U;
  child_limits limits;
};

struct child_outcome {
  int exit_code = 0; ///< -1 where a signal ended it
  int signal = 0;    ///< 0 where it exited
  std::string output;
  std::string errors;
  bool errors_cut = false;
  std::chrono::milliseconds took{};

  bool ok() const noexcept { return exit_code == 0 && signal == 0; }
};

/// Runs `spec` to its end. Thread-safe. A stop request stops the program as its deadline does.
result<child_outcome> run_child(const child_spec& spec, std::stop_token stop = {});

} // namespace troupe::net
