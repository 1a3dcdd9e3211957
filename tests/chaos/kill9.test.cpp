// 200 times kill -9, at moments that a seed decides, over one workload. What happened is counted by
// the services that it happened to, in this process: they are not killed.
#include "runtime/net/http_server.hpp"
#include "tests/chaos/process.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>

namespace troupe::test {
namespace {

constexpr int kills = 200;
constexpr int parcels = 640;
constexpr int steps = 3;
constexpr int senders = 8;

/// How long a service takes to answer what it has done already: the moments in which a kill hurts.
constexpr auto answer_after = std::chrono::milliseconds{6};

/// A ledger that honours keys, and a board that has none.
class services {
public:
  services() {
    answering_ = std::thread{[this] { answer_late(); }};
    auto made = net::http_server::start(
      {.port = 0}, [this](net::http_server_request in, net::responder out) { answer(in, out); });
    REQUIRE(made);
    server_ = std::move(*made);
  }

  ~services() {
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
      late_.push_back(
        {std::chrono::steady_clock::now() + answer_after, std::move(out), status, std::move(text)});
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
  std::deque<due_answer> late_;
  std::atomic<bool> stop_{false};
  std::thread answering_;
  std::unique_ptr<net::http_server> server_;
};

std::string topology(const scratch& folder, std::uint16_t port, std::uint16_t service) {
  // The note is appended and looked up by a shell, without any help from us.
  auto notes = (folder / "notes").string();
  return folder.write("t.toml", fmt::format(R"(
[troupe]
plugins = ["{0}"]
store = "t.db"
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
timeout = "500ms"
total_timeout = "600ms"
concurrent = 64
queue = 1000
[tools.board.reconcile]
url = "http://127.0.0.1:{2}/board?ref={{ref}}"
[tools.note]
kind = "command"
effect = "at_most_once"
argv = ["sh", "-c", "echo \"$1\" >> {3} && echo '{{\"value\":100000}}'", "note", "{{line}}"]
timeout = "500ms"
total_timeout = "600ms"
[tools.note.reconcile]
argv = ["sh", "-c", '''
if grep -qx "$1" {3}; then echo '{{"state":"done","result":{{"value":100000}}}}'
else echo '{{"state":"not_done"}}'
fi''', "note", "{{line}}"]
)",
                                            chaos_plugin(), port, service, notes));
}

int expected_sum(int n) {
  int sum = 1000 + (n % 16 == 0 ? 100'000 : 0);
  for (int step = 0; step < steps; ++step)
    sum += n * 10 + step;
  return sum;
}

/// Send every parcel until it is acknowledged, spread over all kills.
class customers {
public:
  explicit customers(std::string url) : peer_(std::move(url)), ids_(parcels) {
    for (int i = 0; i < senders; ++i)
      threads_.emplace_back([this] { send_some(); });
  }
  ~customers() {
    stop_ = true;
    for (auto& t : threads_)
      t.join();
  }

  std::size_t acknowledged() const { return acknowledged_; }
  /// The workload must last as long as the kills do.
  void killed(int times) { killed_ = times; }
  void wait_all_sent() {
    for (auto& t : threads_)
      t.join();
    threads_.clear();
  }

  /// The invocation of each parcel, as its acknowledgement named it.
  const std::vector<std::string>& ids() const { return ids_; }
  /// Parcels that were acknowledged under two ids: that is one lost.
  std::size_t renamed() const { return renamed_; }

private:
  void send_some() {
    for (int n = next_++; n < parcels && !stop_; n = next_++) {
      net::http_headers headers;
      headers.add("Idempotency-Key", fmt::format("parcel-{}", n)).add("Prefer", "respond-async");
      while (!stop_ && n * kills > (killed_ + 1) * parcels)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      // Twice, at different times: the second answer must name the same invocation.
      for (int times = 0; times < 2 && !stop_;) {
        auto got
          = peer_.post("/v1/agents/courier/invocations", fmt::format("{{\"n\":{}}}", n), headers);
        if (got.status != 200 && got.status != 202) {
          std::this_thread::sleep_for(std::chrono::milliseconds{5});
          continue;
        }
        ++times;
        auto id = got.text("id");
        auto& known = ids_[static_cast<std::size_t>(n)];
        if (!known.empty() && known != id)
          ++renamed_;
        if (known.empty())
          ++acknowledged_;
        known = id;
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
    }
  }

  http_peer peer_;
  std::vector<std::string> ids_;
  std::atomic<int> next_{0};
  std::atomic<int> killed_{0};
  std::atomic<std::size_t> acknowledged_{0};
  std::atomic<std::size_t> renamed_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

std::uint32_t seed() {
  const auto* given = std::getenv("TROUPE_SEED"); // NOLINT(concurrency-mt-unsafe)
  return given == nullptr ? 20'261'120U : static_cast<std::uint32_t>(std::atol(given));
}

TEST_CASE("200 times kill -9: nothing acknowledged is lost, nothing happens twice") {
  scratch folder;
  services outside;
  auto port = free_port();
  auto file = topology(folder, port, outside.port());
  auto url = fmt::format("http://127.0.0.1:{}", port);
  auto chance = std::mt19937{seed()};
  auto moment = std::uniform_int_distribution<int>{5, 160};
  auto begun = std::chrono::steady_clock::now();

  customers crowd{url};
  for (int i = 0; i < kills; ++i) {
    troupe_process server{{"run", file}};
    std::this_thread::sleep_for(std::chrono::milliseconds{moment(chance)});
    auto end = server.kill();
    INFO(end.err);
    REQUIRE(end.signal == SIGKILL); // it did not end by itself
    crowd.killed(i + 1);
  }
  auto killed = std::chrono::steady_clock::now();

  troupe_process last{{"run", file}};
  crowd.wait_all_sent();
  http_peer peer{url};
  std::size_t right = 0;
  for (int n = 0; n < parcels; ++n) {
    auto id = crowd.ids()[static_cast<std::size_t>(n)];
    auto got = http_answer{};
    do {
      got = peer.get("/v1/invocations/" + id);
    } while (got.status == 0 || got.text("status") == "running" || got.text("status") == "queued"
             || got.text("status") == "suspended");
    auto wanted = fmt::format("\"sum\":{},", expected_sum(n));
    if (got.text("status") == "completed" && got.body.find(wanted) != std::string::npos)
      ++right;
    else
      WARN(got.body);
  }
  auto notes = std::map<std::string, int>{};
  auto in = std::ifstream{(folder / "notes").string()};
  for (std::string line; std::getline(in, line);)
    ++notes[line];
  auto notes_twice
    = std::count_if(notes.begin(), notes.end(), [](const auto& n) { return n.second > 1; });
  auto c = outside.take();
  auto seconds
    = [](auto from, auto to) { return std::chrono::duration<double>(to - from).count(); };
  std::printf("%d kills in %.1f s, done %.1f s later (seed %u): %zu of %d parcels acknowledged, "
              "%zu right, %zu renamed; ledger: %zu entries, %zu twice, %zu repeats recognised by "
              "their key; board: %zu posts, %zu twice, %zu looked up; notes: %zu, %td twice\n",
              kills, seconds(begun, killed), seconds(killed, std::chrono::steady_clock::now()),
              seed(), crowd.acknowledged(), parcels, right, crowd.renamed(), c.entries,
              c.entries_twice, c.repeats, c.posts, c.posts_twice, c.lookups, notes.size(),
              notes_twice);

  CHECK(crowd.acknowledged() == parcels);
  CHECK(crowd.renamed() == 0);
  CHECK(right == parcels);
  CHECK(c.entries == std::size_t{parcels} * steps);
  CHECK(c.entries_twice == 0);
  CHECK(c.posts == std::size_t{parcels});
  CHECK(c.posts_twice == 0);
  CHECK(notes.size() == parcels / 16);
  CHECK(notes_twice == 0);
}

} // namespace
} // namespace troupe::test
