// `troupe run`: plays a topology until it is told to stop.
#include "config/cast.hpp"
#include "config/units.hpp"
#include "runtime/bin/commands.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace troupe::cli {
namespace {

/// A descriptor, closed at the end of its scope.
class owned_fd {
public:
  explicit owned_fd(int fd) : fd_(fd) {}
  owned_fd(const owned_fd&) = delete;
  owned_fd& operator=(const owned_fd&) = delete;
  ~owned_fd() {
    if (fd_ > STDERR_FILENO)
      close(fd_);
  }
  int get() const noexcept { return fd_; }

private:
  int fd_;
};

sigset_t stop_signals() {
  sigset_t all;
  sigemptyset(&all);
  sigaddset(&all, SIGTERM);
  sigaddset(&all, SIGINT);
  return all;
}

/// What the main thread waits for: a signal, all work done, or the end of the world.
class stop_events {
public:
  stop_events() : wake_(eventfd(0, EFD_CLOEXEC)) {
    // Before any thread is there: they all inherit that these signals come here alone.
    auto all = stop_signals();
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    signals_fd_ = signalfd(-1, &all, SFD_CLOEXEC);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~stop_events() { close(signals_fd_); }

  void on_idle(std::uint64_t stuck) {
    stuck_ = stuck;
    idle_ = true;
    wake();
  }
  void on_fatal(const error& why) {
    {
      std::lock_guard lock{mutex_};
      if (fatal_.empty())
        fatal_ = to_string(why);
    }
    wake();
  }

  /// Returns when there is something.
  void wait() const {
    pollfd both[]{{signals_fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    while (poll(both, 2, -1) < 0 && errno == EINTR)
      ;
  }
  bool idle() const noexcept { return idle_; }
  std::uint64_t stuck() const noexcept { return stuck_; }
  std::string fatal() const {
    std::lock_guard lock{mutex_};
    return fatal_;
  }
  int signals_fd() const noexcept { return signals_fd_; }

private:
  void wake() const {
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = write(wake_.get(), &one, sizeof one);
  }

  owned_fd wake_;
  int signals_fd_ = -1;
  std::atomic<bool> idle_{false};
  std::atomic<std::uint64_t> stuck_{0};
  mutable std::mutex mutex_;
  std::string fatal_;
};

/// From the first signal on, the second one ends the process at once, whatever it is doing.
void end_at_next_signal(int signals_fd) {
  signalfd_siginfo taken{};
  [[maybe_unused]] auto got = read(signals_fd, &taken, sizeof taken);
  for (auto which : {SIGTERM, SIGINT})
    std::signal(which, [](int) { _exit(exit_interrupted); });
  auto all = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

/// What the command line says instead of the topology. Empty: all right.
std::string override_with(config::topology& t, const run_options& o) {
  if (!o.listen.empty()) {
    auto at = config::parse_address(o.listen);
    if (!at)
      return "--listen: " + at.error().message;
    t.gateway.host = at->host;
    t.gateway.port = at->port;
    for (const auto& p : t.gateway.validate())
      return fmt::format("--listen: {}; {}", p.message, p.hint);
  }
  if (o.store == ":memory:")
    t.store.kind = store_kind::memory;
  else if (!o.store.empty())
    t.store.path = o.store;
  for (auto l : {level::debug, level::info, level::warning, level::error})
    if (o.log_level == to_string(l))
      t.runtime.log = l;
  return {};
}

void announce(const config::cast& playing, const run_options& o) {
  if (o.quiet || !is_terminal(stderr))
    return;
  const auto& t = playing.played();
  auto where = playing.address();
  complain(fmt::format("{} is ready{} ({} agents, {} tools, {} models)", t.runtime.name,
                       where.empty() ? std::string{} : " on http://" + where, t.agents.size(),
                       t.tools.size(), t.models.size()));
}

int play(config::topology t, const run_options& o, int log_fd, stop_events& stop) {
  system_time clock;
  auto threshold = o.quiet ? level::error : t.runtime.log;
  auto drain_within = t.dispatcher.drain_timeout;
  json_line_sink events{log_fd, threshold, clock};
  config::cast_options with;
  with.events = &events;
  with.on_fatal = [&stop](const error& why) { stop.on_fatal(why); };
  auto playing = config::cast::start(std::move(t), std::move(with));
  if (!playing) {
    auto why = playing.error();
    if (why.code == errc::invalid_input) { // diagnostics, with their places
      std::fprintf(stderr, "%s", why.message.c_str());
      return exit_usage;
    }
    complain("cannot start: " + why.message);
    return exit_failed;
  }
  announce(**playing, o);
  if (o.once)
    (*playing)->when_idle([&stop](std::uint64_t stuck) { stop.on_idle(stuck); });
  stop.wait();
  if (auto why = stop.fatal(); !why.empty()) {
    complain("cannot go on: " + why);
    return exit_failed;
  }
  if (!stop.idle())
    end_at_next_signal(stop.signals_fd());
  (*playing)->drain(drain_within);
  if (stop.idle() && stop.stuck() > 0) {
    complain(fmt::format("{} invocations wait for a person: troupe ps --open", stop.stuck()));
    return exit_unfinished;
  }
  return exit_ok;
}

} // namespace

int run(const run_options& o) {
  stop_events stop;
  auto read = config::load_topology(o.file, config::process_environment());
  if (!read) {
    std::fprintf(stderr, "%s", config::render(read.problems).c_str());
    return exit_usage;
  }
  auto topology = std::move(*read.value);
  if (auto wrong = override_with(topology, o); !wrong.empty()) {
    complain(wrong);
    return exit_usage;
  }
  auto log = owned_fd{
    o.log_file.empty() ? STDERR_FILENO
                       : open(o.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  if (log.get() < 0) {
    complain(fmt::format("--log-file: cannot open {}: {}", o.log_file, std::strerror(errno)));
    return exit_usage;
  }
  return play(std::move(topology), o, log.get(), stop);
}

} // namespace troupe::cli
