#include "tests/bench/support/nginx.hpp"

#include "tests/bench/support/http_load.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <utility>

namespace troupe::bench {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fputs((why + "\n").c_str(), stderr);
  std::_Exit(1);
}

/// Field `n` (from 1) of /proc/PID/stat behind the name.
std::string stat_field(int pid, int n) {
  std::ifstream file{fmt::format("/proc/{}/stat", pid)};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  auto at = text.rfind(')');
  for (int i = 2; i < n && at != text.npos; ++i)
    at = text.find(' ', at + 1);
  return at == text.npos ? "" : text.substr(at + 1, text.find(' ', at + 1) - at - 1);
}

} // namespace

nginx nginx::answering(const std::string& json) {
  return nginx{fmt::format("default_type application/json; return 200 '{}';", json)};
}

nginx nginx::in_front_of(std::uint16_t upstream) {
  return nginx{"proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\";",
               fmt::format("upstream up {{ server 127.0.0.1:{}; keepalive 128; }}", upstream)};
}

nginx::nginx(const std::string& location, const std::string& beside)
  : folder_(std::make_unique<scratch>()), port_(free_port()) {
  auto folder = std::filesystem::absolute(folder_->path()).string();
  auto file = folder + "/nginx.conf";
  // No master, so that the process that we started is the one that works.
  std::ofstream{file} << fmt::format(
    "daemon off; master_process off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\n"
    "events {{ worker_connections 1024; }}\n"
    "http {{ access_log off; keepalive_requests 100000000; keepalive_timeout 600s;\n"
    "client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0}; uwsgi_temp_path {0};\n"
    "scgi_temp_path {0};\n{1}\n"
    "server {{ listen 127.0.0.1:{2}; location / {{ {3} }} }} }}\n",
    folder, beside, port_, location);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::execlp("nginx", "nginx", "-p", folder.c_str(), "-c", file.c_str(), "-e",
             (folder + "/error.log").c_str(), static_cast<char*>(nullptr));
    std::_Exit(127);
  }
  for (int i = 0; i < 250; ++i, ::usleep(20'000)) {
    if (listens(port_))
      return;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_)
      give_up("nginx did not start: is it installed? `sh tests/bench/run.sh models` installs it");
  }
  give_up("nginx does not listen");
}

nginx::nginx(nginx&& other) noexcept
  : folder_(std::move(other.folder_)), port_(other.port_), pid_(std::exchange(other.pid_, 0)) {}

nginx::~nginx() {
  if (pid_ == 0)
    return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

double nginx::cpu_seconds() const {
  auto ticks = std::stod(stat_field(pid_, 14)) + std::stod(stat_field(pid_, 15));
  return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

} // namespace troupe::bench
