#pragma once
// The real binary as a child process: started, listened to, killed.

#include "tests/support/catch.hpp"
#include "tests/support/http.hpp"
#include "tests/support/paths.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace troupe::test {

/// A folder that goes with the test.
class scratch {
public:
  scratch() {
    auto name = (std::filesystem::temp_directory_path() / "troupe-chaos-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  std::string write(std::string_view name, std::string_view text) const {
    std::ofstream{path_ / name, std::ios::binary} << text;
    return (path_ / name).string();
  }

private:
  std::filesystem::path path_;
};

/// A port that was free a moment ago.
inline std::uint16_t free_port() {
  auto fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  close(fd);
  return ntohs(at.sin_port);
}

/// How a process ended.
struct ending {
  int exit_code = -1; ///< -1: by a signal
  int signal = 0;
  std::string out;
  std::string err;
};

/// `troupe ARGS...`, or another program of this build. Killed at the end of its scope, if it still
/// runs.
class troupe_process {
public:
  /// @param env `NAME=VALUE`, beside our own
  explicit troupe_process(std::vector<std::string> args, std::vector<std::string> env = {},
                          const std::string& program = paths::binary) {
    int out[2];
    int err[2];
    REQUIRE(pipe2(out, O_CLOEXEC) == 0);
    REQUIRE(pipe2(err, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    args.insert(args.begin(), program);
    std::vector<char*> argv;
    for (auto& a : args)
      argv.push_back(a.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (auto& e : env)
      envp.push_back(e.data());
    for (auto** e = environ; *e != nullptr; ++e)
      envp.push_back(*e);
    envp.push_back(nullptr);
    REQUIRE(posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), envp.data()) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    reader_ = std::thread{[this, o = out[0], e = err[0]] { read_all(o, e); }};
  }
  troupe_process(const troupe_process&) = delete;
  troupe_process& operator=(const troupe_process&) = delete;
  ~troupe_process() {
    if (pid_ > 0) {
      send(SIGKILL);
      wait();
    }
  }

  void send(int which) const { ::kill(pid_, which); }
  pid_t pid() const noexcept { return pid_; }

  bool alive() const {
    siginfo_t ended{};
    return pid_ > 0 && waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0
           && ended.si_pid == 0;
  }

  /// Its end; waits for it.
  ending wait() {
    int status = 0;
    if (pid_ > 0)
      waitpid(std::exchange(pid_, -1), &status, 0);
    reader_.join();
    std::lock_guard lock{mutex_};
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            WIFSIGNALED(status) ? WTERMSIG(status) : 0, out_, err_};
  }
  ending kill() {
    send(SIGKILL);
    return wait();
  }

  /// True once `part` stands in its stderr; false when that does not come.
  bool says(std::string_view part, std::chrono::seconds within = std::chrono::seconds{20}) const {
    auto end = std::chrono::steady_clock::now() + within;
    while (std::chrono::steady_clock::now() < end) {
      {
        std::lock_guard lock{mutex_};
        if (err_.find(part) != std::string::npos)
          return true;
        if (closed_)
          return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return false;
  }
  std::string err() const {
    std::lock_guard lock{mutex_};
    return err_;
  }

private:
  void read_all(int out, int err) {
    pollfd both[]{{out, POLLIN, 0}, {err, POLLIN, 0}};
    std::string* to[]{&out_, &err_};
    for (int open = 2; open > 0;) {
      poll(both, 2, -1);
      for (int i = 0; i < 2; ++i) {
        if (both[i].fd < 0 || both[i].revents == 0)
          continue;
        char buffer[4096];
        auto n = read(both[i].fd, buffer, sizeof buffer);
        std::lock_guard lock{mutex_};
        if (n > 0) {
          to[i]->append(buffer, static_cast<std::size_t>(n));
          continue;
        }
        close(both[i].fd);
        both[i].fd = -1;
        --open;
      }
    }
    std::lock_guard lock{mutex_};
    closed_ = true;
  }

  pid_t pid_ = -1;
  std::thread reader_;
  mutable std::mutex mutex_;
  std::string out_;
  std::string err_;
  bool closed_ = false;
};

/// Runs `troupe ARGS...` to its end.
inline ending troupe(std::vector<std::string> args, std::vector<std::string> env = {}) {
  return troupe_process{std::move(args), std::move(env)}.wait();
}

/// The plugin that tests/chaos/extra.cmake builds.
inline std::string chaos_plugin() {
  return std::string{paths::build_dir} + "/lib/libchaos_agents.so";
}

} // namespace troupe::test
