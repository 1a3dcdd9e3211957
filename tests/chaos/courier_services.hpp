#pragma once
// The services that couriers call, over HTTP: they count what is done to them.

#include "runtime/core/json.hpp"
#include "runtime/net/http_server.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

constexpr int courier_steps = 3;

/// A ledger that honours keys, and a board that has none.
class courier_services {
public:
  /// @param answer_after how long they take to answer what they have done already: the moments in
  ///                     which a kill hurts
  /// @param port         0: any
  /// @param memory       a file in which they keep what they have done, written before they answer;
  ///                     what stands there already was done, too. Empty: none
  explicit courier_services(std::chrono::milliseconds answer_after = std::chrono::milliseconds{6},
                            std::uint16_t port = 0, const std::string& memory = {})
    : answer_after_(answer_after) {
    if (!memory.empty()) {
      auto in = std::ifstream{memory};
      for (std::string line; std::getline(in, line);)
        recall(line);
      memory_.open(memory, std::ios::app);
    }
    auto made = net::http_server::start(
      {.port = port}, [this](net::http_server_request in, net::responder out) { answer(in, out); });
    if (!made)
      throw std::runtime_error{to_string(made.error())};
    server_ = std::move(*made);
    answering_ = std::thread{[this] { answer_late(); }};
  }

  ~courier_services() {
    stop_ = true;
    answering_.join();
  }

  std::uint16_t port() const { return server_->port(); }

  struct counts {
    std::size_t entries = 0;       ///< different (parcel, step)
    std::size_t entries_twice = 0; ///< of these: under more than one key
    std::size_t repeats = 0;       ///< requests whose key had come before
    std::size_t posts = 0;         ///< different refs
    std::size_t posts_twice = 0;   ///< of these: posted more than once
    std::size_t lookups = 0;       ///< times that the board was asked whether it had a ref
  };
  counts take() const {
    std::lock_guard lock{mutex_};
    counts c;
    c.entries = entries_.size();
    c.repeats = repeats_;
    c.lookups = lookups_;
    c.posts = posts_.size();
    for (const auto& [_, keys] : entries_)
      c.entries_twice += keys.size() > 1 ? 1 : 0;
    for (const auto& [_, n] : posts_)
      c.posts_twice += n > 1 ? 1 : 0;
    return c;
  }

private:
  void answer(const net::http_server_request& in, net::responder& out) {
    std::lock_guard lock{mutex_};
    auto json = [&](int status, std::string text) {
      late_.push_back({std::chrono::steady_clock::now() + answer_after_, std::move(out), status,
                       std::move(text)});
    };
    auto body = parse_json(in.body);
    if (in.path() == "/ledger") {
      auto n = body->at("n").as_int64();
      auto step = body->at("step").as_int64();
      remember(fmt::format("entry {} {} {}", n, step,
                           in.headers.value_or("idempotency-key", "none")));
      json(200, fmt::format("{{\"value\":{}}}", n * 10 + step));
    } else if (in.method == "POST") {
      auto ref = std::string{body->at("ref").as_string()};
      remember("post " + ref);
      json(200, "{\"value\":1000}");
    } else { // GET /board?ref=..
      auto ref = std::string{in.query().substr(4)};
      ++lookups_;
      bool there = posts_.contains(ref);
      json(there ? 200 : 404, "{\"value\":1000}");
    }
  }

  void remember(const std::string& line) {
    recall(line);
    if (memory_.is_open())
      memory_ << line << std::endl; // a kill must find it there
  }

  void recall(const std::string& line) {
    std::istringstream in{line};
    std::string what;
    in >> what;
    if (what == "entry") {
      std::int64_t n = 0;
      std::int64_t step = 0;
      std::string key;
      in >> n >> step >> key;
      repeats_ += entries_[{n, step}].insert(key).second ? 0 : 1;
    } else if (what == "post") {
      in >> what;
      ++posts_[what];
    }
  }

  struct due_answer {
    std::chrono::steady_clock::time_point at;
    net::responder out;
    int status;
    std::string body;
  };

  void answer_late() {
    while (!stop_) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
      std::lock_guard lock{mutex_};
      for (; !late_.empty() && late_.front().at <= std::chrono::steady_clock::now();
           late_.pop_front())
        late_.front().out.respond(late_.front().status,
                                  net::http_headers{{"Content-Type", "application/json"}},
                                  std::move(late_.front().body));
    }
  }

  mutable std::mutex mutex_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::set<std::string>> entries_;
  std::map<std::string, int> posts_;
  std::size_t repeats_ = 0;
  std::size_t lookups_ = 0;
  std::ofstream memory_;
  std::chrono::milliseconds answer_after_;
  std::deque<due_answer> late_;
  std::atomic<bool> stop_{false};
  std::thread answering_;
  std::unique_ptr<net::http_server> server_;
};

} // namespace troupe::test
