// Faults 1 and 2: the real binary is killed before every step that could matter to what is durable,
// and before every step of its recovery.
#include "tests/chaos/couriers.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t parcels = 3;

// One of them is 16, which has a note too.
int parcel(std::size_t i) {
  return 14 + static_cast<int>(i);
}

/// When it is given up: a loaded machine takes its time, only one that hangs takes so long.
constexpr auto late_after = 180s;

/// Histories at once: each mostly waits for something.
constexpr std::size_t side_by_side = 6;

/// Customers that ask until they are answered, and lives of a process that die at given steps; the
/// last one does not.
class history {
public:
  explicit history(std::vector<long> dies_at)
    : dies_at_(std::move(dies_at)),
      file_(courier_topology(folder_, port_, outside_.port(), "t.db", 3'000)) {
    begin_life();
  }

  /// Does a little. @returns false when it is over
  bool tick() {
    if (!server_->alive()) {
      auto end = server_->wait();
      killed_ += end.signal == SIGKILL ? 1 : 0;
      if (end.signal != SIGKILL)
        problem("it ended by itself: " + end.err);
      begin_life();
    }
    for (std::size_t i = 0; i < parcels; ++i)
      if (!ended_[i])
        ask(i);
    bool late = std::chrono::steady_clock::now() - begun_ > late_after;
    for (std::size_t i = 0; late && i < parcels; ++i)
      if (!ended_[i])
        problem("not done in time: " + peer_.get("/v1/invocations/" + ids_[i]).body);
    return !late && !(ended_[0] && ended_[1] && ended_[2]);
  }

  /// What must hold in the end; empty: all does.
  std::string verdict() {
    auto expect = [this](bool holds, const char* what) {
      if (!holds)
        problem(what);
    };
    auto c = outside_.take();
    expect(renamed_ == 0, "an acknowledged invocation was lost");
    expect(right_ == parcels, "a result is wrong");
    expect(c.entries == parcels * courier_steps, "an entry is missing");
    expect(c.entries_twice == 0, "an entry came under two keys");
    expect(c.posts == parcels && c.posts_twice == 0, "a post is missing or doubled");
    auto notes = lines_of(folder_ / "notes");
    expect(notes.size() == 1 && notes["16"] == 1, "the note is missing or doubled");
    return problems_;
  }
  /// How often it was killed: no more than it had steps.
  std::size_t killed() const { return killed_; }

private:
  void problem(const std::string& what) { problems_ += what + "; "; }

  void begin_life() {
    std::vector<std::string> env;
    if (life_ < dies_at_.size())
      env = {fmt::format("LD_PRELOAD={}/lib/libchaos_die_at_step.so", paths::build_dir),
             fmt::format("TROUPE_DIE_AT={}", dies_at_[life_]),
             // A sanitizer's library wants to be the first, and says so.
             "ASAN_OPTIONS=verify_asan_link_order=0"};
    ++life_;
    server_ = std::make_unique<troupe_process>(std::vector<std::string>{"run", file_}, env);
  }

  void ask(std::size_t i) {
    auto got = send_parcel(peer_, parcel(i));
    if (got.status != 200 && got.status != 202)
      return;
    auto id = got.text("id");
    renamed_ += !ids_[i].empty() && ids_[i] != id ? 1 : 0;
    ids_[i] = id;
    got = peer_.get("/v1/invocations/" + id);
    ended_[i] = !is_open(got);
    auto sum = fmt::format("\"sum\":{},", expected_sum(parcel(i)));
    if (ended_[i] && got.body.find(sum) != std::string::npos)
      ++right_;
    else if (ended_[i])
      problem(got.body);
  }

  std::vector<long> dies_at_;
  scratch folder_;
  courier_services outside_{std::chrono::milliseconds{3}};
  std::uint16_t port_ = free_port();
  std::string file_;
  http_peer peer_{fmt::format("http://127.0.0.1:{}", port_)};
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::unique_ptr<troupe_process> server_;
  std::size_t life_ = 0;
  std::size_t killed_ = 0;
  std::string ids_[parcels];
  bool ended_[parcels] = {};
  int renamed_ = 0;
  std::size_t right_ = 0;
  std::string problems_;
};

/// A history for each step, until one is over before it comes to its step. @returns how many died
/// as often as they should
template <class Lives>
long sweep(long stride, Lives lives) {
  struct playing {
    long step;
    std::unique_ptr<history> what;
  };
  std::vector<playing> all;
  long next = 1;
  long died = 0;
  bool more = true;
  while (more || !all.empty()) {
    for (; more && all.size() < side_by_side; next += stride)
      all.push_back({next, std::make_unique<history>(lives(next))});
    std::this_thread::sleep_for(2ms);
    for (auto i = all.begin(); i != all.end();) {
      if (i->what->tick()) {
        ++i;
        continue;
      }
      INFO("killed before step " << i->step);
      CHECK(i->what->verdict() == "");
      bool all_lives = i->what->killed() == lives(i->step).size();
      died += all_lives ? 1 : 0;
      more = more && all_lives;
      i = all.erase(i);
    }
  }
  return died;
}

TEST_CASE("fault 1, kill -9 at every step: nothing acknowledged is lost, nothing happens twice") {
  auto begun = std::chrono::steady_clock::now();

  auto steps = sweep(1, [](long n) { return std::vector<long>{n}; });

  auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("killed before each of %ld steps, in %.1f s\n", steps, took);
  CHECK(steps > 40);
}

TEST_CASE("fault 2, kill during recovery: the third life goes on where the first one was") {
  auto begun = std::chrono::steady_clock::now();
  // In the middle of the work: all three are accepted, their calls are in flight.
  constexpr long first = 60;

  auto steps = sweep(1, [](long n) { return std::vector<long>{first, n}; });

  auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("killed in the middle, then before each of %ld steps of what follows, in %.1f s\n",
              steps, took);
  CHECK(steps > 10);
}

} // namespace
} // namespace troupe::test
