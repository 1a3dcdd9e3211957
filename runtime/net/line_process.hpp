#pragma once
// A program that stays, and is spoken to in lines.
//
// `run_child` runs a program once, from its input to its end. A tool server is the other kind: it is
// started once, takes a line for each request and writes a line for each answer, for days. It may
// write rubbish, a line of a gigabyte, or nothing; it may die in the middle; it may not read what
// we write. Here each of these has an end and a name.
//
// The child has a process group of its own, only the environment that `child_spec` names, and dies
// with us. `stop` is polite: it closes the child's stdin, after `quit_grace` comes SIGTERM, after
// `kill_grace` SIGKILL, all to its whole group. The destructor is not: SIGKILL at once.
//
// Threads: one for each process. Callbacks run on it, in the order in which things happened, and
// must not block; `on_end` is the last. Everything else may be called on any thread; the destructor
// not in a callback.

#include "runtime/core/result.hpp"
#include "runtime/net/child_process.hpp"
#include "runtime/net/line_splitter.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace troupe::net {

struct line_process_options {
  /// Bytes of one line of stdout; of a longer one only the ends are told.
  std::size_t line_max = std::size_t{8} << 20;
  /// Bytes of one line of stderr, likewise: it is for people.
  std::size_t error_line_max = std::size_t{4} << 10;
  /// Bytes that wait for the child to read them; past it `write` is `overloaded`.
  std::size_t backlog_max = std::size_t{8} << 20;
  /// From the end of its stdin to SIGTERM: time to finish what it does.
  std::chrono::milliseconds quit_grace{2'000};
  /// From SIGTERM to SIGKILL.
  std::chrono::milliseconds kill_grace{1'000};
};

/// How a program ended.
struct line_process_end {
  int exit_code = 0; ///< -1 where a signal ended it
  int signal = 0;
  bool stopped = false; ///< because we wanted it to

  /// `exit code 3`, `signal 9`
  std::string describe() const;
};

struct line_process_events {
  std::function<void(text_line)> on_line;
  std::function<void(text_line)> on_error_line;
  std::function<void(line_process_end)> on_end;
};

class line_process {
public:
  /// Starts the program; of `spec`, `input`, `timeout` and the bounds of output are not read.
  /// Errors as of `run_child`, all definite.
  static result<std::unique_ptr<line_process>> start(child_spec spec, line_process_options options,
                                                     line_process_events events);
  ~line_process();
  line_process(const line_process&) = delete;
  line_process& operator=(const line_process&) = delete;

  /// Queues a line, to which the line end is added. `unavailable` when the child has ended or closed
  /// its stdin, `overloaded` past the bound; both definite.
  result<void> write(std::string_view line);

  /// Asks it to end; `on_end` tells when it has.
  void stop();

private:
  class loop;
  explicit line_process(std::unique_ptr<loop> l);
  std::unique_ptr<loop> loop_;
};

} // namespace troupe::net
