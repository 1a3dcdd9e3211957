#pragma once
// Couriers: agents with keyed effects and one that must not be repeated, played by the real binary,
// and the services that it happens to. These stand in the test's own process, which is not killed.

#include "runtime/net/http_server.hpp"
#include "tests/chaos/process.hpp"

#include <fmt/format.h>

#include <deque>
#include <map>
#include <set>

namespace troupe::test {

constexpr int courier_steps = 3;

/// A ledger that honours keys, and a board that has none.
class courier_services {
public:
  /// @param answer_after how long they take to answer what they have done already: the moments in
  ///                     which a kill hurts
  explicit courier_services(std::chrono::milliseconds answer_after = std::chrono::milliseconds{6})
    : answer_after_(answer_after) {
    answering_ = std::thread{[this] { answer_late(); }};
    auto made = net::http_server::start(
      {.port = 0}, [this](net::http_server_request in, net::responder out) { answer(in, out); });
    REQUIRE(made);
    server_ = std::move(*made);
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
      auto& keys = entries_[{n, step}];
      if (!keys.insert(std::string{in.headers.value_or("idempotency-key", "none")}).second)
        ++repeats_;
      json(200, fmt::format("{{\"value\":{}}}", n * 10 + step));
    } else if (in.method == "POST") {
      auto ref = std::string{body->at("ref").as_string()};
      ++posts_[ref];
      json(200, "{\"value\":1000}");
    } else { // GET /board?ref=..
      auto ref = std::string{in.query().substr(4)};
      ++lookups_;
      bool there = posts_.contains(ref);
      json(there ? 200 : 404, "{\"value\":1000}");
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
  std::chrono::milliseconds answer_after_;
  std::deque<due_answer> late_;
  std::atomic<bool> stop_{false};
  std::thread answering_;
  std::unique_ptr<net::http_server> server_;
};

/// The topology of couriers on those services.
/// @param store   the store's file, by default beside the topology
/// @param timeout_ms of a post and of a note, all attempts in it; after a kill it must be waited
///                for, and a loaded machine must answer within it
/// @param more    further lines
inline std::string courier_topology(const scratch& folder, std::uint16_t port,
                                    std::uint16_t service, std::string_view store = "t.db",
                                    int timeout_ms = 2'000, std::string_view more = {}) {
  // The note is appended and looked up by a shell, without any help from us.
  auto notes = (folder / "notes").string();
  return folder.write("t.toml", fmt::format(R"(
[troupe]
plugins = ["{0}"]
store = "{4}"
listen = "127.0.0.1:{1}"
log = "warning"
[agents.courier]
concurrency = 64
tools = ["ledger", "board", "note"]
[tools.ledger]
kind = "http"
effect = "idempotent"
url = "http://127.0.0.1:{2}/ledger"
concurrent = 64
queue = 1000
[tools.board]
kind = "http"
effect = "at_most_once"
url = "http://127.0.0.1:{2}/board"
timeout = "{5}ms"
total_timeout = "{6}ms"
concurrent = 64
queue = 1000
[tools.board.reconcile]
url = "http://127.0.0.1:{2}/board?ref={{ref}}"
[tools.note]
kind = "command"
effect = "at_most_once"
argv = ["sh", "-c", "echo \"$1\" >> {3} && echo '{{\"value\":100000}}'", "note", "{{line}}"]
timeout = "{5}ms"
total_timeout = "{6}ms"
[tools.note.reconcile]
argv = ["sh", "-c", '''
if grep -qx "$1" {3}; then echo '{{"state":"done","result":{{"value":100000}}}}'
else echo '{{"state":"not_done"}}'
fi''', "note", "{{line}}"]
{7})",
                                            chaos_plugin(), port, service, notes, store, timeout_ms,
                                            timeout_ms + 100, more));
}

/// What a courier answers for parcel `n`: proof that each step's answer was the right one.
inline int expected_sum(int n) {
  int sum = 1000 + (n % 16 == 0 ? 100'000 : 0);
  for (int step = 0; step < courier_steps; ++step)
    sum += n * 10 + step;
  return sum;
}

/// Sends parcel `n` under its key. @returns the answer; status 0 where nobody listens
inline http_answer send_parcel(http_peer& peer, int n) {
  net::http_headers headers;
  headers.add("Idempotency-Key", fmt::format("parcel-{}", n)).add("Prefer", "respond-async");
  return peer.post("/v1/agents/courier/invocations", fmt::format("{{\"n\":{}}}", n), headers);
}

/// Whether an invocation has not come to its end.
inline bool is_open(const http_answer& got) {
  auto s = got.status == 0 ? std::string{"queued"} : got.text("status");
  return s == "open" || s == "running" || s == "queued" || s == "suspended";
}

/// Lines of a file, with how often each stands there.
inline std::map<std::string, int> lines_of(const std::filesystem::path& file) {
  std::map<std::string, int> all;
  auto in = std::ifstream{file};
  for (std::string line; std::getline(in, line);)
    ++all[line];
  return all;
}

} // namespace troupe::test
