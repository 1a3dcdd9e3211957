// 200 times kill -9, at moments that a seed decides, over one workload. What happened is counted by
// the services that it happened to, in this process: they are not killed.
#include "tests/chaos/couriers.hpp"

#include <cstdlib>
#include <random>

namespace troupe::test {
namespace {

constexpr int kills = 200;
constexpr int parcels = 640;
constexpr int senders = 8;

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
      while (!stop_ && n * kills > (killed_ + 1) * parcels)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
      // Twice, at different times: the second answer must name the same invocation.
      for (int times = 0; times < 2 && !stop_;) {
        auto got = send_parcel(peer_, n);
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
  courier_services outside;
  auto port = free_port();
  auto file = courier_topology(folder, port, outside.port());
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
    } while (is_open(got));
    auto wanted = fmt::format("\"sum\":{},", expected_sum(n));
    if (got.text("status") == "completed" && got.body.find(wanted) != std::string::npos)
      ++right;
    else
      WARN(got.body);
  }
  auto notes = lines_of(folder / "notes");
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
  CHECK(c.entries == std::size_t{parcels} * courier_steps);
  CHECK(c.entries_twice == 0);
  CHECK(c.posts == std::size_t{parcels});
  CHECK(c.posts_twice == 0);
  CHECK(notes.size() == parcels / 16);
  CHECK(notes_twice == 0);
}

} // namespace
} // namespace troupe::test
