#pragma once
// Real servers as real processes, and a client for them: no script, no virtual time.

#include "actors/tool/mcp_client.hpp"
#include "actors/tool/mcp_tool.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/timer.hpp"
#include "runtime/net/http_client.hpp"
#include "runtime/net/line_process.hpp"
#include "runtime/telemetry/sinks.hpp"
#include "tests/runtime/net/await.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace troupe::test {

using namespace std::chrono_literals;

/// Where tests/mcp/install.sh put the servers.
inline std::string server_file(std::string_view name) {
  auto file = fmt::format("{}/mcp/{}", paths::build_dir, name);
  INFO("ctest runs \"mcp/the servers come from npm\" before these; so does sh tests/mcp/install.sh");
  REQUIRE(std::filesystem::exists(file));
  return file;
}
inline std::string everything() {
  return server_file("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
}
inline std::string filesystem_server() {
  return server_file("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
}

/// A folder that goes with the test.
class scratch_folder {
public:
  scratch_folder() {
    auto name = (std::filesystem::temp_directory_path() / "troupe-mcp-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

private:
  std::filesystem::path path_;
};

/// A server that listens on a port of the loopback, and says so in a line with its number.
class http_server_process {
public:
  explicit http_server_process(std::vector<std::string> argv, std::uint16_t port = 0) {
    net::child_spec spec;
    spec.argv = std::move(argv);
    spec.env_allow = {"PATH", "HOME"};
    if (port != 0)
      spec.env.emplace_back("PORT", std::to_string(port));
    auto hear = [this](const net::text_line& line) {
      auto at = line.text.rfind("port ");
      if (at != std::string::npos)
        ports_.put(std::atoi(line.text.c_str() + at + 5));
    };
    process_ = net::line_process::start(std::move(spec), {},
                                        {hear, hear, [](const net::line_process_end&) {}})
                 .value();
    port_ = static_cast<std::uint16_t>(ports_.take());
  }
  std::uint16_t port() const { return port_; }
  std::string url() const { return fmt::format("http://127.0.0.1:{}/mcp", port_); }

private:
  inbox<int> ports_;
  std::uint16_t port_ = 0;
  std::unique_ptr<net::line_process> process_;
};

/// A client that speaks with one server.
class client_ground {
public:
  explicit client_ground(mcp_options options) : options_(std::move(options)), system_(config_) {
    options_.proxy = "";
    timer_ = spawn_timer(system_, clock_, events);
    auto connect = [this] { return make_mcp_transport(options_, *http_, clock_); };
    client_ = spawn_mcp_client(system_, mcp_setup{env_, options_, connect, timer_, http_});
    services.put(mcp_service_name(options_.name), client_, mcp_service_info(options_));
    caf::scoped_actor self{system_};
    self->request(client_, 40s, mcp_await_first{})
      .receive([&](mcp_status& s) { status = std::move(s); },
               [&](const caf::error& e) { status.why = to_string(e); });
  }
  ~client_ground() {
    services.clear();
    caf::anon_send_exit(std::exchange(client_, nullptr), caf::exit_reason::user_shutdown);
    // Tools and their supervisors go with the client; the timer is needed until they have gone.
    while (system_.registry().running() > 1)
      std::this_thread::yield();
    caf::anon_send_exit(std::exchange(timer_, nullptr), caf::exit_reason::user_shutdown);
  }

  /// Calls a tool by its name, as an agent does.
  result<std::string> call(std::string_view tool, std::string body = "{}",
                           std::chrono::milliseconds within = 30s) {
    auto name = tool_service_name(mcp_tool_name(options_.name, tool));
    auto entry = services.find(name).value();
    call_request r;
    r.service = name;
    r.body = std::move(body);
    r.key = "key";
    r.cls = entry.info.cls;
    r.deadline = clock_.now() + within;
    caf::scoped_actor self{system_};
    result<std::string> out{error{errc::internal, "no reply"}};
    self->request(entry.handle, within + 10s, std::move(r))
      .receive([&](call_reply& reply) { out = std::move(reply.outcome); },
               [&](const caf::error& e) { out = error{errc::internal, to_string(e)}; });
    return out;
  }

  effect_class class_of(std::string_view tool) {
    return services.find(tool_service_name(mcp_tool_name(options_.name, tool)))->info.cls;
  }
  /// All fields of events of this name, as one text.
  std::string said(std::string_view name) {
    std::string out;
    for (const auto& e : events.events())
      if (e.name == name)
        for (const auto& [key, value] : e.fields)
          out += fmt::format("{}={} ", key, value);
    return out;
  }

  mcp_status status;
  memory_sink events;
  directory services;

private:
  static std::string to_string(const caf::error& e) { return caf::to_string(e); }

  mcp_options options_;
  system_time clock_;
  system_random random_;
  environment env_{clock_, random_, events, services};
  std::shared_ptr<net::http_client> http_ = std::make_shared<net::http_client>();
  caf::actor_system_config config_;
  caf::actor_system system_;
  caf::actor timer_;
  caf::actor client_;
};

inline mcp_options over_stdio(std::vector<std::string> argv) {
  mcp_options o;
  o.name = "s";
  o.argv = std::move(argv);
  o.defaults.retry.timeout = 10s;
  o.defaults.retry.attempts_max = 1;
  return o;
}
inline mcp_options over_http(std::string url) {
  auto o = over_stdio({});
  o.url = std::move(url);
  return o;
}

/// The process whose command line holds `part`, among our children.
inline pid_t child_running(std::string_view part) {
  for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
    std::ifstream children{task.path() / "children"};
    for (pid_t pid = 0; children >> pid;) {
      std::ifstream in{fmt::format("/proc/{}/cmdline", pid)};
      std::string line{std::istreambuf_iterator<char>{in}, {}};
      if (line.find(part) != std::string::npos)
        return pid;
    }
  }
  return -1;
}

} // namespace troupe::test
