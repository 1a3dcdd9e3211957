// How long a word of a model takes from its arrival to who reads along: through the real binary (an
// agent of class `chat`, followed as Chat Completions) and, at the same time, through a bare relay
// of two sockets, so that what the machine itself costs is seen.
//
//   bench_words [--words N] [--interval-ms N] [--runs N] [--streams 1,16]
//
// The upstream writes the time into each word. One JSON line for each path and number of streams,
// the median of the runs by p99.

#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/http_load.hpp"
#include "tests/bench/support/rig.hpp"

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string_view>
#include <thread>

namespace {

using namespace troupe;
using steady = std::chrono::steady_clock;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(steady::now().time_since_epoch())
    .count();
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return out;
}

int connected_to(std::uint16_t port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(port);
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0)
    std::_Exit(1);
  return fd;
}

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    auto n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

/// A thread for each connection that comes, for as long as the process lives.
template <class Serve>
std::uint16_t listen_with(Serve serve) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (::bind(fd, address, size) != 0 || ::listen(fd, 256) != 0
      || ::getsockname(fd, address, &size) != 0)
    std::_Exit(1);
  std::thread{[fd, serve] {
    for (;;) {
      int peer = ::accept(fd, nullptr, nullptr);
      int one = 1;
      ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      std::thread{[peer, serve] {
        serve(peer);
        ::close(peer);
      }}.detach();
    }
  }}.detach();
  return ntohs(at.sin_port);
}

std::string chunk_of(std::string_view delta, std::string_view finish) {
  return fmt::format("data: {{\"id\":\"c\",\"model\":\"up\",\"choices\":[{{\"index\":0,\"delta\":{},"
                     "\"finish_reason\":{}}}]}}\n\n",
                     delta, finish);
}

/// A model that says the time, again and again.
void speak(int fd, int words, std::chrono::milliseconds interval) {
  char head[16'384];
  if (::recv(fd, head, sizeof head, 0) <= 0)
    return;
  send_all(fd, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
  std::this_thread::sleep_for(std::chrono::milliseconds{300}); // models think before they speak
  for (int i = 0; i < words; ++i) {
    std::this_thread::sleep_for(interval);
    auto word = fmt::format("{{\"content\":\"@{};\"}}", now_ns());
    if (!send_all(fd, chunk_of(word, "null")))
      return;
  }
  send_all(fd, chunk_of("{}", "\"stop\"") + "data: [DONE]\n\n");
}

/// Bytes from one socket to the other, as they come.
void relay(int fd, std::uint16_t to) {
  int up = connected_to(to);
  pollfd both[2] = {{fd, POLLIN, 0}, {up, POLLIN, 0}};
  char bytes[16'384];
  for (bool open = true; open && ::poll(both, 2, -1) > 0;)
    for (int i = 0; i < 2 && open; ++i) {
      if (both[i].revents == 0)
        continue;
      auto n = ::recv(both[i].fd, bytes, sizeof bytes, 0);
      open = n > 0 && send_all(both[1 - i].fd, {bytes, static_cast<std::size_t>(n)});
    }
  ::close(up);
}

/// Reads one stream to its end.
/// @returns milliseconds that each word took
std::vector<double> read_along(std::uint16_t port) {
  constexpr std::string_view body
    = R"({"model":"teller","stream":true,"messages":[{"role":"user","content":"the time?"}]})";
  int fd = connected_to(port);
  send_all(fd, fmt::format("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                           "application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                           body.size(), body));
  std::vector<double> took;
  std::string text;
  char bytes[65'536];
  for (;;) {
    auto n = ::recv(fd, bytes, sizeof bytes, 0);
    auto now = now_ns();
    if (n <= 0)
      break;
    text.append(bytes, static_cast<std::size_t>(n));
    std::size_t used = 0;
    for (auto at = text.find('@'); at != text.npos; at = text.find('@', at)) {
      auto end = text.find(';', at);
      if (end == text.npos)
        break;
      took.push_back(static_cast<double>(now - std::stoll(text.substr(at + 1, end - at - 1))) / 1e6);
      used = at = end + 1;
    }
    if (used > 0)
      text.erase(0, used);
    else if (text.find('@') == text.npos)
      text.clear();
  }
  ::close(fd);
  if (took.empty()) {
    fmt::print(stderr, "bench_words: no word came, but: {}\n", text);
    std::_Exit(1);
  }
  return took;
}

/// `troupe run` with an agent that repeats what its model says.
class server {
public:
  server(const std::filesystem::path& folder, std::uint16_t upstream) : port_(bench::free_port()) {
    auto file = folder / "bench.toml";
    std::ofstream{file} << fmt::format(
      "[troupe]\nname = \"bench\"\nstore = \"bench.db\"\nlisten = \"127.0.0.1:{}\"\nlog = \"error\"\n"
      "[agents.teller]\nclass = \"chat\"\nmodel = \"up\"\nconcurrency = 256\n"
      "[models.up]\nkind = \"openai\"\nmodel = \"up\"\nbase_url = \"http://127.0.0.1:{}/v1\"\n"
      "concurrent = 256\n",
      port_, upstream);
    auto text = file.string();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(TROUPE_BINARY, TROUPE_BINARY, "run", text.c_str(), static_cast<char*>(nullptr));
      std::_Exit(127);
    }
    for (int i = 0; i < 500 && !bench::listens(port_); ++i)
      ::usleep(20'000);
  }
  ~server() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  std::uint16_t port() const { return port_; }

private:
  std::uint16_t port_;
  pid_t pid_ = 0;
};

struct figure {
  double p50 = 0;
  double p99 = 0;
  double words = 0;
};

struct both {
  figure bare;
  figure agents;
};

both measure(int streams, int words, std::chrono::milliseconds interval) {
  bench::scratch folder;
  // The upstream first: the binary is told where it is.
  auto up = listen_with([=](int fd) { speak(fd, words, interval); });
  auto between = listen_with([=](int fd) { relay(fd, up); });
  server s{std::filesystem::absolute(folder.path()), up};
  std::mutex mutex;
  std::vector<double> bare;
  std::vector<double> agents;
  std::vector<std::thread> readers;
  for (int i = 0; i < streams; ++i)
    for (auto* into : {&bare, &agents})
      readers.emplace_back([&, into, port = into == &bare ? between : s.port()] {
        auto took = read_along(port);
        std::lock_guard lock{mutex};
        into->insert(into->end(), took.begin(), took.end());
      });
  for (auto& r : readers)
    r.join();
  auto of = [](std::vector<double>& all) {
    return figure{bench::quantile(all, 0.5), bench::quantile(all, 0.99),
                  static_cast<double>(all.size())};
  };
  return {of(bare), of(agents)};
}

void print(const char* path, int streams, const figure& f) {
  fmt::print("{{\"bench\":\"words\",\"path\":\"{}\",\"streams\":{},\"words\":{:.0f},\"p50_ms\":{:.3f},"
             "\"p99_ms\":{:.3f}}}\n",
             path, streams, f.words, f.p50, f.p99);
  std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
  int words = 1'000;
  int interval_ms = 5;
  int runs = 5;
  std::vector<int> streams{1, 16};
  CLI::App app{"words from a model to who reads along"};
  app.add_option("--words", words, "of each stream");
  app.add_option("--interval-ms", interval_ms, "between two words of a stream");
  app.add_option("--runs", runs, "fresh runs of each; the median by p99 is reported");
  app.add_option("--streams", streams, "streams at once, and as many through the relay")
    ->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  for (auto n : streams) {
    std::vector<both> all;
    for (int i = 0; i < runs; ++i)
      all.push_back(bench::in_fresh_process(
        [&] { return measure(n, words, std::chrono::milliseconds{interval_ms}); }));
    std::sort(all.begin(), all.end(),
              [](const both& a, const both& b) { return a.agents.p99 < b.agents.p99; });
    const auto& m = all[all.size() / 2];
    print("relay", n, m.bare);
    print("troupe", n, m.agents);
  }
}
