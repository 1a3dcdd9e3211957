#include "runtime/net/child_process.hpp"

#include "runtime/net/child_spawn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace troupe::net {
namespace {

using detail::spawned_child;
using detail::unique_fd;
using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;

constexpr std::size_t piece_size = 64U << 10U; // what a pipe holds

/// Where the kernel cannot report the end of a process through a descriptor, it is asked this
/// often.
constexpr milliseconds ask_interval{10};

/// Writing to a program that has closed its stdin raises SIGPIPE: on this thread it is an error
/// code instead, whatever the process has set.
class sigpipe_guard {
public:
  sigpipe_guard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t waiting;
    sigpending(&waiting);
    was_pending_ = sigismember(&waiting, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~sigpipe_guard() {
    timespec now{};
    while (!was_pending_ && ::sigtimedwait(&pipe_, nullptr, &now) == SIGPIPE) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  sigpipe_guard(const sigpipe_guard&) = delete;
  sigpipe_guard& operator=(const sigpipe_guard&) = delete;

private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

/// A child from its start to its grave.
class run {
public:
  run(const child_spec& spec, spawned_child child, int stop_fd)
    : spec_(spec), child_(std::move(child)), started_(clock::now()),
      next_deadline_(started_ + spec.timeout),
      exit_fd_(static_cast<int>(::syscall(SYS_pidfd_open, child_.pid, 0))), stop_fd_(stop_fd) {}

  result<child_outcome> to_the_end() {
    if (spec_.input.empty())
      child_.input.reset();
    while (!has_ended())
      wait();
    // The leader is dead but not reaped, so its number is still ours: no other group can get it.
    ::kill(-child_.pid, SIGKILL);
    drain(child_.output, [this](std::string_view piece) { take_output(piece); });
    drain(child_.errors, [this](std::string_view piece) { take_errors(piece); });
    return reap();
  }

private:
  bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0
           && info.si_pid == child_.pid;
  }

  /// One round of whatever comes first: input taken, output there, the end, a stop, a deadline.
  void wait() {
    std::array<pollfd, 5> fds{{{child_.input.get(), POLLOUT, 0},
                               {child_.output.get(), POLLIN, 0},
                               {child_.errors.get(), POLLIN, 0},
                               {exit_fd_.get(), POLLIN, 0},
                               {stopping_ ? -1 : stop_fd_, POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), wait_ms());
    if (fds[0].revents != 0)
      feed();
    if (fds[1].revents != 0)
      drain(child_.output, [this](std::string_view piece) { take_output(piece); });
    if (fds[2].revents != 0)
      drain(child_.errors, [this](std::string_view piece) { take_errors(piece); });
    if (fds[4].revents != 0)
      stop(error{errc::cancelled, fmt::format("`{}` was cancelled", spec_.argv.front())});
    if (clock::now() < next_deadline_)
      return;
    if (stopping_)
      kill_now();
    else
      stop(error{errc::timed_out, fmt::format("`{}` did not end within {} ms", spec_.argv.front(),
                                              spec_.timeout.count())});
  }

  int wait_ms() const {
    auto left = std::chrono::ceil<milliseconds>(next_deadline_ - clock::now());
    left = std::clamp(left, milliseconds{0}, milliseconds{std::chrono::hours{1}});
    return static_cast<int>(exit_fd_ ? left.count() : std::min(left, ask_interval).count());
  }

  void feed() {
    auto left = std::string_view{spec_.input}.substr(fed_);
    auto n = ::write(child_.input.get(), left.data(), left.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    fed_ += n > 0 ? static_cast<std::size_t>(n) : 0;
    if (n < 0 || fed_ == spec_.input.size()) // a program may end its input early
      child_.input.reset();
  }

  /// All that can be read now.
  template <class Take>
  void drain(unique_fd& from, Take take) {
    std::array<char, piece_size> piece;
    while (from) {
      auto n = ::read(from.get(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return;
      if (n <= 0)
        return from.reset();
      take({piece.data(), static_cast<std::size_t>(n)});
      if (stopping_)
        return; // a flood must not keep us from the deadline
    }
  }

  void take_output(std::string_view piece) {
    if (why_)
      return;
    outcome_.output += piece;
    if (outcome_.output.size() > spec_.output_max)
      stop(error{errc::output_too_large, fmt::format("`{}` wrote more than {} bytes (output_max)",
                                                     spec_.argv.front(), spec_.output_max)});
  }

  void take_errors(std::string_view piece) {
    auto room = spec_.errors_max - outcome_.errors.size();
    outcome_.errors += piece.substr(0, room);
    outcome_.errors_cut = outcome_.errors_cut || piece.size() > room;
  }

  /// The first reason counts.
  void stop(error why) {
    if (stopping_)
      return;
    stopping_ = true;
    why_ = std::move(why).may_have_happened();
    ::kill(-child_.pid, SIGTERM);
    next_deadline_ = clock::now() + spec_.kill_grace;
  }

  /// SIGKILL cannot be refused, so what follows is a wait for the kernel.
  void kill_now() {
    ::kill(-child_.pid, SIGKILL);
    next_deadline_ = clock::time_point::max();
  }

  result<child_outcome> reap() {
    int status = 0;
    while (::waitpid(child_.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (why_)
      return *std::move(why_);
    outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    outcome_.took = std::chrono::duration_cast<milliseconds>(clock::now() - started_);
    return std::move(outcome_);
  }

  const child_spec& spec_;
  spawned_child child_;
  clock::time_point started_;
  clock::time_point next_deadline_;
  unique_fd exit_fd_; ///< readable when the child has ended; none on kernels before 5.3
  int stop_fd_;
  std::size_t fed_ = 0;
  bool stopping_ = false;
  std::optional<error> why_; ///< why it was stopped
  child_outcome outcome_;
};

} // namespace

result<child_outcome> run_child(const child_spec& spec, std::stop_token stop) {
  if (stop.stop_requested())
    return error{errc::cancelled, "cancelled before the program was started"};
  unique_fd stop_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!stop_fd)
    return error{errc::unavailable, "no descriptor for a child process"};
  std::stop_callback on_stop{stop, [fd = stop_fd.get()] { ::eventfd_write(fd, 1); }};
  auto child = detail::spawn_child(spec);
  if (!child)
    return std::move(child).error();
  sigpipe_guard guard;
  return run{spec, *std::move(child), stop_fd.get()}.to_the_end();
}

} // namespace troupe::net
