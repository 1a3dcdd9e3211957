// strict_server: a provider of models that counts, and answers 429 to the first request too many, as
// a process of its own.
//
//     POST /model/v1/chat/completions    repeats the last message, after 0.7 to 2 s
//     GET  /counts                       what it has seen: see `counts` below
//
// It counts on its own clock, when a request has arrived whole: per key no 60 s, wherever they begin,
// with more than 500 requests, and over all keys no more than 20 that are not answered yet.

#include "tests/chaos/llm_wall/strict_limits.hpp"
#include "tests/chaos/llm_wall/wall_http.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>

namespace {

using namespace troupe::test;
using clock_type = std::chrono::steady_clock;

class strict {
public:
  void serve(int fd) {
    connection c{fd};
    while (auto r = c.read()) {
      auto answer = r->fault == "counts" ? response(200, counts()) : take(*r);
      if (!c.send(answer))
        return;
    }
  }

private:
  std::string take(const wall_request& r) {
    std::uint64_t n = 0;
    {
      std::lock_guard lock{mutex_};
      auto now = clock_type::now();
      auto& window = windows_[r.key];
      while (!window.empty() && window.front() <= now - strict_window)
        window.pop_front();
      if (in_flight_ >= strict_in_flight || window.size() >= strict_per_minute) {
        ++(in_flight_ >= strict_in_flight ? too_many_at_once_ : too_many_);
        return response(429, r.in->failure("rate_limit_exceeded", "slow down"));
      }
      window.push_back(now);
      n = taken_.size();
      taken_.push_back({now, r.key, r.said.substr(0, r.said.find(' '))});
      peak_ = std::max(peak_, ++in_flight_);
    }
    std::this_thread::sleep_for(latency(n));
    std::lock_guard lock{mutex_};
    --in_flight_;
    return response(200, r.in->whole(r.said, "stop", true));
  }

  // About 0.95 s: with 1,000 a minute 16 of 20 places are taken; four of a hundred are slow together,
  // so that now and then all of them are.
  static std::chrono::milliseconds latency(std::uint64_t n) {
    constexpr std::uint64_t slow_ms = 2'000;
    return std::chrono::milliseconds{n % 100 < 4 ? slow_ms : 700 + n * 37 % 5 * 100};
  }

  /// {"refused":n, "too_many_at_once":n, "peak":n, "taken":[[ms since the first, key, agent], ..]}
  std::string counts() {
    std::lock_guard lock{mutex_};
    boost::json::array taken;
    for (const auto& t : taken_)
      taken.push_back(boost::json::array{
        std::chrono::floor<std::chrono::milliseconds>(t.at - taken_.front().at).count(), t.key,
        t.agent});
    boost::json::object out;
    out["refused"] = too_many_;
    out["too_many_at_once"] = too_many_at_once_;
    out["peak"] = peak_;
    out["taken"] = std::move(taken);
    return boost::json::serialize(out);
  }

  struct request {
    clock_type::time_point at;
    std::string key;
    std::string agent; ///< the first word of what was said
  };
  std::mutex mutex_;
  std::map<std::string, std::deque<clock_type::time_point>> windows_;
  std::vector<request> taken_;
  std::size_t in_flight_ = 0;
  std::size_t peak_ = 0;
  std::uint64_t too_many_ = 0; ///< of a key
  std::uint64_t too_many_at_once_ = 0;
};

} // namespace

int main() {
  static strict s; // threads may outlive main
  return listen_for_ever("strict_server", [](int peer) { s.serve(peer); });
}
