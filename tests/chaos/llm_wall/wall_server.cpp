// wall_server: a provider of models that misbehaves, as a process of its own, on plain sockets, since
// no well-made server would do what it does.
//
//     POST /FAULT/v1/chat/completions    misbehaves as wall_faults.hpp says, for one more request
//     POST /heal                         from now on every FAULT answers well
//     GET  /counts                       {"FAULT":requests, ..}
//
// It says its port on stderr and serves until it is killed. The answer repeats the last message, so that
// whoever asked knows whether it is whole and his own.

#include "tests/chaos/llm_wall/wall_faults.hpp"

#include <boost/json.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace troupe::test;
namespace json = boost::json;

constexpr std::size_t head_max = 64U << 10U;
constexpr std::size_t body_max = 1U << 20U;
constexpr std::size_t pieces = 12;

struct request {
  std::string fault; ///< first part of the path
  std::string path;  ///< the rest
  std::string said;  ///< the last message
  bool streams = false;
};

class connection {
public:
  explicit connection(int fd) : fd_(fd) {}
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() { close(fd_); }

  std::optional<request> read() {
    std::size_t end = 0;
    while ((end = in_.find("\r\n\r\n")) == std::string::npos)
      if (in_.size() > head_max || !more())
        return std::nullopt;
    auto head = in_.substr(0, end);
    in_.erase(0, end + 4);
    auto size = length_in(head);
    while (in_.size() < size)
      if (size > body_max || !more())
        return std::nullopt;
    auto body = in_.substr(0, size);
    in_.erase(0, size);
    return request_of(head, body);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0)
        return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// Until the other side goes away; what it sends is of no interest.
  void hang() {
    char ignored[512];
    while (recv(fd_, ignored, sizeof ignored, 0) > 0) {
    }
  }

  void reset() {
    linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

private:
  bool more() {
    char buffer[8192];
    auto n = recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0)
      return false;
    in_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  static std::size_t length_in(std::string head) {
    for (auto& c : head)
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    constexpr std::string_view name = "\r\ncontent-length:";
    auto at = head.find(name);
    return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + name.size(), nullptr, 10);
  }

  static request request_of(const std::string& head, const std::string& body) {
    request out;
    auto begin = head.find(" /") + 2;
    auto target = head.substr(begin, head.find(' ', begin) - begin);
    auto slash = target.find('/');
    out.fault = target.substr(0, slash);
    out.path = slash == std::string::npos ? "" : target.substr(slash);
    json::error_code failed;
    auto asked = json::parse(body, failed);
    if (failed || !asked.is_object())
      return out;
    if (const auto* m = asked.as_object().if_contains("messages"); m && !m->as_array().empty())
      out.said = m->as_array().back().at("content").as_string().c_str();
    const auto* s = asked.as_object().if_contains("stream");
    out.streams = s != nullptr && s->is_bool() && s->as_bool();
    return out;
  }

  int fd_;
  std::string in_;
};

std::string response(int status, std::string_view body, std::string_view more = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " Wall\r\nContent-Type: application/json\r\n"
         + std::string{more} + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n"
         + std::string{body};
}

std::string quoted(std::string_view text) {
  return json::serialize(json::string{text});
}

std::string failure(std::string_view code, std::string_view message) {
  return R"({"error":{"message":)" + quoted(message) + R"(,"type":"wall","param":null,"code":)"
         + quoted(code) + "}}";
}

std::string completion(std::string_view text, std::string_view finish, bool usage = true) {
  return R"({"id":"w","object":"chat.completion","model":"wall","choices":[{"index":0,"message":)"
         R"({"role":"assistant","content":)"
         + quoted(text) + R"(},"finish_reason":)" + quoted(finish) + "}]"
         + (usage ? R"(,"usage":{"prompt_tokens":7,"completion_tokens":12,"total_tokens":19})" : "")
         + "}";
}

std::string event(std::string_view data) {
  return "data: " + std::string{data} + "\n\n";
}

std::string chunk(std::string_view text, std::string_view finish = {}) {
  return event(R"({"id":"w","object":"chat.completion.chunk","model":"wall","choices":[{"index":0,)"
               R"("delta":)"
               + (finish.empty() ? R"({"content":)" + quoted(text) + "}" : std::string{"{}"})
               + R"(,"finish_reason":)" + (finish.empty() ? "null" : quoted(finish)) + "}]}");
}

const std::string stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                "Connection: close\r\n\r\n";

/// Cut between characters, as a model's tokens are.
std::vector<std::string> cut_up(const std::string& text) {
  std::vector<std::string> out;
  auto size = text.size() / pieces + 1;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(at + size, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
      ++end;
    out.push_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

class wall {
public:
  void serve(int fd) {
    connection c{fd};
    while (auto r = c.read())
      if (!answer(c, *r))
        return;
  }

private:
  /// @returns whether the connection is good for another request
  bool answer(connection& c, const request& r) {
    if (r.fault == "counts")
      return c.send(response(200, counts()));
    if (r.fault == "heal") {
      healed_ = true;
      return c.send(response(200, "{}"));
    }
    auto how = fault_of(r.fault);
    if (!how)
      return c.send(response(404, failure("model_not_found", "no such fault")));
    auto n = note(r.fault);
    auto rests = how->every > 1 && n % how->every == 0;
    if (healed_ || n > how->times || rests)
      how->what = misdeed::none;
    return misbehave(c, r, *how);
  }

  static bool misbehave(connection& c, const request& r, const wall_fault& f) {
    switch (f.what) {
      case misdeed::status:
        return c.send(response(f.status, failure(f.code, f.message), f.headers));
      case misdeed::reset:
        c.reset();
        return false;
      case misdeed::silence:
        c.hang();
        return false;
      case misdeed::garbage:
        return c.send(response(200, "<html><body>Welcome to the wall</body></html>"));
      case misdeed::endless:
        return run_on(c);
      default:
        break;
    }
    if (f.what == misdeed::slow_first)
      std::this_thread::sleep_for(slow_first_token);
    return r.streams ? stream(c, r, f) : whole(c, r, f);
  }

  static bool whole(connection& c, const request& r, const wall_fault& f) {
    auto text = wall_answer(r.said);
    switch (f.what) {
      case misdeed::finish:
        return c.send(response(200, completion(text.substr(0, 20), f.code)));
      case misdeed::error_inside:
        return c.send(response(200, failure(f.code, f.message)));
      case misdeed::no_usage:
        return c.send(response(200, completion(text, "stop", false)));
      case misdeed::cut:
      case misdeed::stall:
      case misdeed::malformed:
      case misdeed::no_finish: {
        auto all = response(200, completion(text, "stop"));
        if (f.what == misdeed::malformed) {
          all[all.size() - 30] = '\x01';
          return c.send(all);
        }
        c.send(std::string_view{all}.substr(0, all.size() - 40));
        if (f.what == misdeed::stall)
          c.hang();
        return false;
      }
      default:
        return c.send(response(200, completion(text, "stop")));
    }
  }

  static bool stream(connection& c, const request& r, const wall_fault& f) {
    auto parts = cut_up(wall_answer(r.said));
    std::string all = stream_head;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i == parts.size() / 2 && breaks(f.what)) {
        c.send(all + half_way(f));
        if (f.what == misdeed::stall)
          c.hang();
        return false;
      }
      all += chunk(parts[i]);
    }
    all += f.what == misdeed::no_finish ? "" : chunk("", "stop");
    if (f.what != misdeed::no_usage)
      all += event(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":12}})");
    all += f.what == misdeed::no_done || f.what == misdeed::no_finish ? "" : event("[DONE]");
    if (f.what != misdeed::byte_by_byte) {
      c.send(all);
      return false;
    }
    for (char byte : all)
      if (!c.send({&byte, 1}))
        break;
    return false;
  }

  static bool breaks(misdeed m) {
    return m == misdeed::cut || m == misdeed::stall || m == misdeed::malformed
           || m == misdeed::error_inside || m == misdeed::finish;
  }

  /// What stands in the middle of a stream that breaks there.
  static std::string half_way(const wall_fault& f) {
    switch (f.what) {
      case misdeed::malformed:
        return event(R"({"choices":[{"index":0,"delta":{"content":"br)") + event("[DONE]");
      case misdeed::error_inside:
        return event(failure(f.code, f.message));
      case misdeed::finish:
        return chunk("", f.code) + event("[DONE]");
      default:
        return R"(data: {"choices":[{"index":0,"del)";
    }
  }

  static bool run_on(connection& c) {
    c.send(stream_head);
    auto more = chunk(std::string(1'000, 'x'));
    while (c.send(more)) {
    }
    return false;
  }

  std::uint64_t note(const std::string& fault) {
    std::lock_guard lock{mutex_};
    return ++requests_[fault];
  }

  std::string counts() {
    std::lock_guard lock{mutex_};
    json::object out;
    for (const auto& [fault, n] : requests_)
      out[fault] = n;
    return json::serialize(out);
  }

  std::mutex mutex_;
  std::map<std::string, std::uint64_t> requests_;
  std::atomic<bool> healed_{false};
};

} // namespace

int main() {
  auto fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* address = reinterpret_cast<sockaddr*>(&at);
  if (fd < 0 || bind(fd, address, size) != 0 || listen(fd, 512) != 0
      || getsockname(fd, address, &size) != 0) {
    std::perror("wall_server");
    return 1;
  }
  std::fprintf(stderr, "wall_server: port %d\n", ntohs(at.sin_port));
  static wall w; // threads may outlive main
  for (;;) {
    auto peer = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) {
      if (errno == EINTR || errno == ECONNABORTED)
        continue;
      std::perror("wall_server: accept");
      return 1;
    }
    int on = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread{[peer] { w.serve(peer); }}.detach();
  }
}
