#include "runtime/net/line_process.hpp"

#include "runtime/net/child_spawn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <future>
#include <mutex>
#include <thread>

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
constexpr milliseconds ask_interval{50};

/// Pieces that are read at a stretch: a flood on one pipe must not keep us from the other, nor from
/// a deadline.
constexpr int pieces_at_once = 16;

} // namespace

/// The thread and what it shares with the others.
class line_process::loop {
public:
  loop(child_spec spec, line_process_options options, line_process_events events)
    : spec_(std::move(spec)),
      options_(options),
      events_(std::move(events)),
      lines_(options.line_max),
      error_lines_(options.error_line_max),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~loop() {
    {
      std::lock_guard lock{mutex_};
      wants_ = wish::dead;
    }
    ::eventfd_write(wake_.get(), 1);
    if (thread_.joinable())
      thread_.join();
  }

  // The kernel kills a child when the *thread* that started it ends, so that thread must be ours.
  result<void> start() {
    if (!wake_)
      return error{errc::unavailable, "no descriptor for a child process"};
    std::promise<result<void>> started;
    auto answer = started.get_future();
    thread_ = std::thread{[this, &started] { run(started); }};
    return answer.get();
  }

  result<void> write(std::string_view line) {
    std::lock_guard lock{mutex_};
    if (deaf_ || wants_ != wish::none)
      return error{errc::unavailable, fmt::format("`{}` reads no more", spec_.argv.front())};
    if (!backlog_.empty() && backlog_.size() + line.size() > options_.backlog_max)
      return error{errc::overloaded, fmt::format("`{}` has not read {} bytes",
                                                 spec_.argv.front(), backlog_.size())};
    backlog_ += line;
    backlog_ += '\n';
    ::eventfd_write(wake_.get(), 1);
    return {};
  }

  void stop() {
    std::lock_guard lock{mutex_};
    if (wants_ == wish::none)
      wants_ = wish::ended;
    ::eventfd_write(wake_.get(), 1);
  }

private:
  enum class wish : std::uint8_t { none, ended, dead };
  /// How far the stopping has come.
  enum class stage : std::uint8_t { running, stdin_closed, terminated, killed };

  void run(std::promise<result<void>>& started) {
    sigset_t pipe; // a child that has closed its stdin is an error code, not a signal
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    auto child = detail::spawn_child(spec_);
    if (!child) {
      started.set_value(std::move(child).error());
      return;
    }
    child_ = *std::move(child);
    exit_fd_ = unique_fd{static_cast<int>(::syscall(SYS_pidfd_open, child_.pid, 0))};
    started.set_value({});
    while (!has_ended())
      wait();
    // The leader is dead but not reaped, so its number is still ours: no other group can get it.
    ::kill(-child_.pid, SIGKILL);
    read_all(child_.output, lines_, events_.on_line);
    read_all(child_.errors, error_lines_, events_.on_error_line);
    end();
  }

  bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0
           && info.si_pid == child_.pid;
  }

  void wait() {
    feed();
    auto wants_room = child_.input && !sending_.empty();
    std::array<pollfd, 5> fds{{{wake_.get(), POLLIN, 0},
                               {wants_room ? child_.input.get() : -1, POLLOUT, 0},
                               {child_.output.get(), POLLIN, 0},
                               {child_.errors.get(), POLLIN, 0},
                               {exit_fd_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), wait_ms());
    eventfd_t ignored;
    if (fds[0].revents != 0)
      ::eventfd_read(wake_.get(), &ignored);
    if (fds[2].revents != 0)
      read(child_.output, lines_, events_.on_line);
    if (fds[3].revents != 0)
      read(child_.errors, error_lines_, events_.on_error_line);
    advance();
  }

  int wait_ms() const {
    auto longest = exit_fd_ ? milliseconds{std::chrono::hours{1}} : ask_interval;
    auto left = std::chrono::ceil<milliseconds>(deadline_ - clock::now());
    return static_cast<int>(std::clamp(left, milliseconds{0}, longest).count());
  }

  /// One step further towards the end, where one is due.
  void advance() {
    wish wants;
    {
      std::lock_guard lock{mutex_};
      wants = wants_;
    }
    if (wants == wish::dead && stage_ != stage::killed)
      go(stage::killed, SIGKILL, {});
    else if (wants == wish::ended && stage_ == stage::running)
      go(stage::stdin_closed, 0, options_.quit_grace);
    else if (stage_ == stage::stdin_closed && clock::now() >= deadline_)
      go(stage::terminated, SIGTERM, options_.kill_grace);
    else if (stage_ == stage::terminated && clock::now() >= deadline_)
      go(stage::killed, SIGKILL, {});
  }

  void go(stage to, int signal, milliseconds patience) {
    stage_ = to;
    close_input();
    if (signal != 0)
      ::kill(-child_.pid, signal);
    deadline_ = to == stage::killed ? clock::time_point::max() : clock::now() + patience;
  }

  void close_input() {
    child_.input.reset();
    sending_.clear();
    std::lock_guard lock{mutex_};
    deaf_ = true;
    backlog_.clear();
  }

  /// Writes what the pipe takes now.
  void feed() {
    if (!child_.input)
      return;
    {
      std::lock_guard lock{mutex_};
      if (sending_.empty())
        sending_.swap(backlog_);
    }
    while (sent_ < sending_.size()) {
      auto n = ::write(child_.input.get(), sending_.data() + sent_, sending_.size() - sent_);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return;
      if (n < 0) {
        sent_ = 0;
        return close_input();
      }
      sent_ += static_cast<std::size_t>(n);
    }
    sending_.clear();
    sent_ = 0;
  }

  /// False when there is nothing more for now.
  bool read(unique_fd& from, line_splitter& lines, const std::function<void(text_line)>& take) {
    std::array<char, piece_size> piece;
    for (int i = 0; i < pieces_at_once && from; ++i) {
      auto n = ::read(from.get(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && errno == EAGAIN)
        return false;
      if (n > 0) {
        lines.feed({piece.data(), static_cast<std::size_t>(n)}, take);
        continue;
      }
      from.reset();
      if (text_line last; lines.rest(last))
        take(std::move(last));
    }
    return bool(from);
  }

  void read_all(unique_fd& from, line_splitter& lines,
                const std::function<void(text_line)>& take) {
    while (read(from, lines, take)) {
    }
  }

  void end() {
    int status = 0;
    while (::waitpid(child_.pid, &status, 0) < 0 && errno == EINTR) {
    }
    close_input();
    line_process_end how;
    how.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    how.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    how.stopped = stage_ != stage::running;
    events_.on_end(how);
  }

  child_spec spec_;
  line_process_options options_;
  line_process_events events_;
  line_splitter lines_;
  line_splitter error_lines_;
  unique_fd wake_;
  spawned_child child_;
  unique_fd exit_fd_; ///< readable when the child has ended; none on kernels before 5.3
  std::string sending_;
  std::size_t sent_ = 0;
  stage stage_ = stage::running;
  clock::time_point deadline_ = clock::time_point::max();

  std::mutex mutex_;
  std::string backlog_;
  wish wants_ = wish::none;
  bool deaf_ = false;

  std::thread thread_;
};

std::string line_process_end::describe() const {
  return signal != 0 ? fmt::format("signal {}", signal) : fmt::format("exit code {}", exit_code);
}

line_process::line_process(std::unique_ptr<loop> l) : loop_(std::move(l)) {}

line_process::~line_process() = default;

result<std::unique_ptr<line_process>> line_process::start(child_spec spec,
                                                          line_process_options options,
                                                          line_process_events events) {
  if (spec.argv.empty())
    return error{errc::invalid_input, "a command needs an argv"};
  auto l = std::make_unique<loop>(std::move(spec), options, std::move(events));
  if (auto started = l->start(); !started)
    return std::move(started).error();
  return std::unique_ptr<line_process>{new line_process{std::move(l)}};
}

result<void> line_process::write(std::string_view line) {
  return loop_->write(line);
}

void line_process::stop() {
  loop_->stop();
}

} // namespace troupe::net
