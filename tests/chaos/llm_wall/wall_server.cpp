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
#include "tests/chaos/llm_wall/wall_http.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

namespace {

using namespace troupe::test;
namespace json = boost::json;

constexpr std::size_t pieces = 12;

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
  bool answer(connection& c, const wall_request& r) {
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

  static bool misbehave(connection& c, const wall_request& r, const wall_fault& f) {
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

  static bool whole(connection& c, const wall_request& r, const wall_fault& f) {
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

  static bool stream(connection& c, const wall_request& r, const wall_fault& f) {
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
  static wall w; // threads may outlive main
  return listen_for_ever("wall_server", [](int peer) { w.serve(peer); });
}
