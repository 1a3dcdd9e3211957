// wall_server: a provider of models that misbehaves, as a process of its own, on plain sockets, since
// no well-made server would do what it does.
//
//     POST /FAULT/v1/chat/completions    misbehaves as wall_faults.hpp says, for one more request
//     POST /FAULT/v1/messages            the same as Anthropic's Messages
//     POST /FAULT/v1/responses           the same as OpenAI's Responses
//     POST /heal                         from now on every FAULT answers well
//     POST /release                      the stream that is held breaks now
//     GET  /counts                       {"FAULT/v1/messages":requests, ..}
//
// It says its port on stderr and serves until it is killed. The answer repeats the last message, so that
// whoever asked knows whether it is whole and his own.

#include "tests/chaos/llm_wall/wall_faults.hpp"
#include "tests/chaos/llm_wall/wall_http.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace {

using namespace troupe::test;
namespace json = boost::json;

constexpr std::size_t pieces = 12;
/// Between two pieces of a stream, so that each is read by itself.
constexpr std::chrono::milliseconds piece_pause{2};
/// A stream that nobody releases goes on after this.
constexpr std::chrono::seconds held_max{10};

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
    if (r.fault == "release") {
      release();
      return c.send(response(200, "{}"));
    }
    auto how = fault_of(r.fault);
    if (!how || r.in == nullptr)
      return c.send(response(404, R"({"error":{"message":"no such fault"}})"));
    auto n = note(r.fault + r.path);
    auto rests = how->every > 1 && n % how->every == 0;
    if (healed_ || n > how->times || rests)
      how->what = misdeed::none;
    return misbehave(c, r, *how);
  }

  bool misbehave(connection& c, const wall_request& r, const wall_fault& f) {
    switch (f.what) {
      case misdeed::status:
        return c.send(response(f.status, r.in->failure(f.code, f.message), f.headers));
      case misdeed::reset:
        c.reset();
        return false;
      case misdeed::silence:
        c.hang();
        return false;
      case misdeed::garbage:
        return c.send(response(200, "<html><body>Welcome to the wall</body></html>"));
      case misdeed::endless:
        return run_on(c, *r.in);
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
        return c.send(response(200, r.in->whole(text.substr(0, 20), f.code, true)));
      case misdeed::error_inside:
        return c.send(response(200, r.in->failure(f.code, f.message)));
      case misdeed::no_usage:
        return c.send(response(200, r.in->whole(text, "stop", false)));
      case misdeed::cut:
      case misdeed::empty_cut:
      case misdeed::stall:
      case misdeed::malformed:
      case misdeed::no_finish: {
        auto all = response(200, r.in->whole(text, "stop", true));
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
        return c.send(response(200, r.in->whole(text, "stop", true)));
    }
  }

  // Each event is sent by itself, as a model thinks.
  bool stream(connection& c, const wall_request& r, const wall_fault& f) {
    if (f.what == misdeed::byte_by_byte) {
      send_bytes(c, r);
      return false;
    }
    auto parts = cut_up(wall_answer(r.said));
    bool empty_reason = f.what == misdeed::empty_reason || f.what == misdeed::empty_cut;
    std::string said;
    c.send(stream_head + r.in->begin());
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i == parts.size() / 2 && breaks(f.what)) {
        if (f.held)
          wait_for_release();
        c.send(half_way(r, f, said));
        if (f.what == misdeed::stall)
          c.hang();
        return false;
      }
      said += parts[i];
      if (!c.send(r.in->piece(parts[i], empty_reason)))
        return false;
      std::this_thread::sleep_for(piece_pause);
    }
    if (f.what != misdeed::no_finish)
      c.send(r.in->finish("stop", said, f.what != misdeed::no_usage));
    if (f.what != misdeed::no_done && f.what != misdeed::no_finish)
      c.send(r.in->done());
    return false;
  }

  static void send_bytes(connection& c, const wall_request& r) {
    auto text = wall_answer(r.said);
    auto all = stream_head + r.in->begin();
    for (const auto& part : cut_up(text))
      all += r.in->piece(part);
    all += r.in->finish("stop", text, true) + r.in->done();
    for (char byte : all)
      if (!c.send({&byte, 1}))
        break;
  }

  static bool breaks(misdeed m) {
    return m == misdeed::cut || m == misdeed::empty_cut || m == misdeed::stall
           || m == misdeed::malformed || m == misdeed::error_inside || m == misdeed::finish;
  }

  /// What stands in the middle of a stream that breaks there.
  static std::string half_way(const wall_request& r, const wall_fault& f, std::string_view said) {
    switch (f.what) {
      case misdeed::malformed:
        return r.in->broken() + r.in->done();
      case misdeed::error_inside:
        return r.in->failed(f.code, f.message);
      case misdeed::finish:
        return r.in->finish(f.code, said, true) + r.in->done();
      case misdeed::empty_cut:
        return {};
      default:
        return r.in->broken().substr(0, 24);
    }
  }

  static bool run_on(connection& c, const speech& in) {
    c.send(stream_head + in.begin());
    auto more = in.piece(std::string(1'000, 'x'));
    while (c.send(more)) {
    }
    return false;
  }

  void release() {
    std::lock_guard lock{mutex_};
    ++released_;
    let_go_.notify_one();
  }

  void wait_for_release() {
    std::unique_lock lock{mutex_};
    if (let_go_.wait_for(lock, held_max, [this] { return released_ > 0; }))
      --released_;
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
  std::condition_variable let_go_;
  std::uint64_t released_ = 0;
  std::map<std::string, std::uint64_t> requests_;
  std::atomic<bool> healed_{false};
};

} // namespace

int main() {
  static wall w; // threads may outlive main
  return listen_for_ever("wall_server", [](int peer) { w.serve(peer); });
}
