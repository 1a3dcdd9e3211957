#include "runtime/net/child_spawn.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

namespace troupe::net::detail {
namespace {

std::string describe(int number) {
  return std::generic_category().message(number);
}

struct pipe_ends {
  unique_fd read;
  unique_fd write;
};

/// Both ends close on exec and lie above stderr, even in a process that was started without one.
result<pipe_ends> make_pipe() {
  std::array<int, 2> raw{};
  if (::pipe2(raw.data(), O_CLOEXEC) != 0)
    return error{errc::unavailable, "no pipe for a child process: " + describe(errno)};
  pipe_ends ends{unique_fd{raw[0]}, unique_fd{raw[1]}};
  for (auto* end : {&ends.read, &ends.write}) {
    if (end->get() > STDERR_FILENO)
      continue;
    unique_fd higher{::fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
    if (!higher)
      return error{errc::unavailable, "no pipe for a child process: " + describe(errno)};
    *end = std::move(higher);
  }
  return ends;
}

void set_nonblocking(const unique_fd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

std::map<std::string, std::string> environment_for(const child_spec& spec) {
  std::map<std::string, std::string> all;
  for (const auto& name : spec.env_allow)
    if (const char* value = std::getenv(name.c_str()))
      all.emplace(name, value);
  for (const auto& [name, value] : spec.env)
    all.insert_or_assign(name, value);
  return all;
}

bool is_executable(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)
         && ::access(path.c_str(), X_OK) == 0;
}

/// In the parent, because a child between fork and exec may not allocate.
result<std::string> resolve(const std::string& name, std::string_view search) {
  if (name.find('/') != std::string::npos)
    return name;
  while (!search.empty()) {
    auto colon = search.find(':');
    std::string folder{search.substr(0, colon)};
    auto path = (folder.empty() ? "." : folder) + "/" + name;
    if (is_executable(path))
      return path;
    search = colon == std::string_view::npos ? std::string_view{} : search.substr(colon + 1);
  }
  return error{errc::not_found, fmt::format("no executable `{}` in PATH", name)};
}

/// What the child needs, laid out before the fork.
struct launch {
  const char* path;
  char* const* argv;
  char* const* envp;
  const char* working_dir; ///< null: ours
  int input;
  int output;
  int errors;
  int report; ///< gets a `complaint` if exec fails; closed by a successful one
  pid_t parent;
  const child_limits* limits;
};

/// Where a start failed, and its errno.
struct complaint {
  enum class at : int { setup, working_dir, exec } where;
  int number;
};

[[noreturn]] void complain(int report, complaint::at where) {
  complaint c{where, errno};
  [[maybe_unused]] auto written = ::write(report, &c, sizeof c);
  ::_exit(127);
}

bool limit(int resource, std::uint64_t value, std::uint64_t grace = 0) {
  rlimit both{value, value + grace};
  rlimit now{};
  // Above what we may have ourselves, the kernel would refuse: then ours holds.
  if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &now) == 0
      && both.rlim_max > now.rlim_max) {
    both.rlim_max = now.rlim_max;
    both.rlim_cur = std::min(both.rlim_cur, now.rlim_max);
  }
  return ::setrlimit(static_cast<__rlimit_resource_t>(resource), &both) == 0;
}

bool apply(const child_limits& l) {
  // The second of grace is for SIGXCPU: where both bounds are one, the kernel sends SIGKILL, and
  // nobody could tell why.
  return limit(RLIMIT_CORE, 0) && (!l.cpu_seconds || limit(RLIMIT_CPU, *l.cpu_seconds, 1))
         && (!l.open_files || limit(RLIMIT_NOFILE, *l.open_files))
         && (!l.file_size || limit(RLIMIT_FSIZE, *l.file_size))
         && (!l.processes || limit(RLIMIT_NPROC, *l.processes))
         && (!l.address_space || limit(RLIMIT_AS, *l.address_space));
}

/// Runs in the child, on memory that is still ours: system calls only.
[[noreturn]] void become(const launch& to) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != to.parent)
    ::_exit(127); // it died before we asked to be told
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (int s = 1; s < NSIG; ++s)
    ::sigaction(s, &usual, nullptr);
  if (::dup2(to.input, STDIN_FILENO) < 0 || ::dup2(to.output, STDOUT_FILENO) < 0
      || ::dup2(to.errors, STDERR_FILENO) < 0)
    complain(to.report, complaint::at::setup);
  // Libraries open descriptors that stay open on exec. Where the kernel is too old for this, ours
  // at least close.
  ::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  if (to.working_dir != nullptr && ::chdir(to.working_dir) != 0)
    complain(to.report, complaint::at::working_dir);
  if (!apply(*to.limits))
    complain(to.report, complaint::at::setup);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(to.path, to.argv, to.envp);
  complain(to.report, complaint::at::exec);
}

/// vfork, because fork copies the page tables of a process that may hold 100,000 agents. All
/// signals are blocked: a handler must not run in the child, on our memory.
[[gnu::noinline]] pid_t start(const launch& to) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = ::vfork();
  if (pid == 0)
    become(to);
  auto number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = number;
  return pid;
}

error explain(const complaint& c, const child_spec& spec) {
  if (c.where == complaint::at::working_dir)
    return error{errc::invalid_input, fmt::format("cannot enter working directory `{}`: {}",
                                                  spec.working_dir, describe(c.number))};
  if (c.where == complaint::at::setup)
    return error{errc::unavailable, "cannot set up a child process: " + describe(c.number)};
  auto missing = c.number == ENOENT || c.number == ENOTDIR;
  return error{missing ? errc::not_found : errc::failed,
               fmt::format("cannot execute `{}`: {}", spec.argv.front(), describe(c.number))};
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (auto& text : texts)
    all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

/// Waits for exec; nothing when it worked.
std::optional<complaint> read_report(const unique_fd& report) {
  complaint c{};
  ssize_t n;
  do
    n = ::read(report.get(), &c, sizeof c);
  while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof c) ? std::optional{c} : std::nullopt;
}

} // namespace

result<spawned_child> spawn_child(const child_spec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty())
    return error{errc::invalid_input, "a command needs an argv"};
  auto vars = environment_for(spec);
  auto search = vars.find("PATH");
  auto path = resolve(spec.argv.front(), search != vars.end() ? search->second : "/usr/bin:/bin");
  if (!path)
    return std::move(path).error();
  std::array<pipe_ends, 4> pipes;
  for (auto& each : pipes) {
    auto made = make_pipe();
    if (!made)
      return std::move(made).error();
    each = *std::move(made);
  }
  auto& [input, output, errors, report] = pipes;

  auto args = spec.argv;
  std::vector<std::string> env;
  for (const auto& [name, value] : vars)
    env.push_back(name + '=' + value);
  auto argv = pointers(args);
  auto envp = pointers(env);
  launch to{path->c_str(),      argv.data(),
            envp.data(),        spec.working_dir.empty() ? nullptr : spec.working_dir.c_str(),
            input.read.get(),   output.write.get(),
            errors.write.get(), report.write.get(),
            ::getpid(),         &spec.limits};
  auto pid = start(to);
  if (pid < 0)
    return error{errc::unavailable, "no process for a child: " + describe(errno)};
  report.write.reset();
  if (auto c = read_report(report.read)) {
    ::waitpid(pid, nullptr, 0); // it is exiting
    return explain(*c, spec);
  }
  ::setpgid(pid, pid); // it did so itself; where it was replaced before, this fails harmlessly
  for (auto* ours : {&input.write, &output.read, &errors.read})
    set_nonblocking(*ours);
  return spawned_child{pid, std::move(input.write), std::move(output.read), std::move(errors.read)};
}

} // namespace troupe::net::detail
