// The services are killed, the troupe lives on: what it asked them is done once, whatever they had
// done before they died.
#include "tests/chaos/couriers.hpp"

#include <random>

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

constexpr int kills = 40;
constexpr int parcels_a_life = 4;

/// Outages here are shorter than a retry's pause: it is waited through, not told to everybody.
constexpr auto breakers = R"(
[tools.ledger.breaker]
enabled = false
[tools.board.breaker]
enabled = false
)";

/// The board at its real port, which a person looks at.
bool is_posted(http_peer& board, int n) {
  return board.get(fmt::format("/board?ref={}", n)).status == 200;
}

/// What a person does with those that could not go on by themselves. @returns the end
class person {
public:
  person(http_peer& peer, http_peer& board) : peer_(peer), board_(board) {}

  http_answer see_through(const std::string& id, int n) {
    for (auto late = std::chrono::steady_clock::now() + 60s;;) {
      auto got = peer_.get("/v1/invocations/" + id);
      if (got.text("status") == "completed" || std::chrono::steady_clock::now() > late)
        return got;
      if (got.text("status") == "failed") {
        ++retried_;
        peer_.post("/v1/invocations/" + id + "/retry", "{}");
      } else if (got.text("status") == "parked") {
        ++resolved_;
        peer_.post("/v1/invocations/" + id + "/resolve",
                   is_posted(board_, n) ? R"({"done":{"value":1000}})" : R"({"not_done":true})");
      }
      std::this_thread::sleep_for(5ms);
    }
  }
  int retried() const { return retried_; }
  int resolved() const { return resolved_; }

private:
  http_peer& peer_;
  http_peer& board_;
  int retried_ = 0;
  int resolved_ = 0;
};

TEST_CASE("APIs are killed in the middle of requests: nothing is lost, nothing happens twice") {
  scratch folder;
  auto api_port = free_port();
  auto port = free_port();
  auto memory = (folder / "api.memory").string();
  troupe_process server{{"run", courier_topology(folder, port, api_port, "t.db", 2'000, breakers)}};
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  http_peer board{fmt::format("http://127.0.0.1:{}", api_port)};
  while (server.alive() && peer.get("/v1/agents").status == 0)
    std::this_thread::sleep_for(2ms);
  auto chance = std::mt19937{20'261'121U};
  auto moment = std::uniform_int_distribution<int>{10, 80};
  auto api = [&] {
    return std::make_unique<troupe_process>(
      std::vector<std::string>{std::to_string(api_port), memory}, std::vector<std::string>{},
      std::string{paths::build_dir} + "/bin/courier_api");
  };

  std::vector<std::string> ids;
  for (int i = 0; i < kills; ++i) {
    auto life = api();
    for (int k = 0; k < parcels_a_life; ++k)
      ids.push_back(send_parcel(peer, static_cast<int>(ids.size())).text("id"));
    std::this_thread::sleep_for(std::chrono::milliseconds{moment(chance)});
    REQUIRE(life->kill().signal == SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds{moment(chance)}); // nobody listens
  }
  auto last = api();
  person someone{peer, board};
  std::size_t right = 0;
  for (std::size_t n = 0; n < ids.size(); ++n) {
    auto got = someone.see_through(ids[n], static_cast<int>(n));
    auto wanted = fmt::format("\"sum\":{},", expected_sum(static_cast<int>(n)));
    INFO(got.body);
    CHECK(got.body.find(wanted) != std::string::npos);
    right += got.body.find(wanted) != std::string::npos ? 1 : 0;
  }

  CHECK(server.alive());
  last->kill();
  auto c = courier_services{1ms, 0, memory}.take();
  std::printf("an API killed %d times: %zu of %zu parcels right; ledger: %zu entries, %zu twice, %zu "
              "repeats recognised by their key; board: %zu posts, %zu twice; a person retried %d "
              "and resolved %d\n",
              kills, right, ids.size(), c.entries, c.entries_twice, c.repeats, c.posts,
              c.posts_twice, someone.retried(), someone.resolved());
  CHECK(c.entries == ids.size() * courier_steps);
  CHECK(c.entries_twice == 0);
  CHECK(c.repeats > 0); // some died between what they did and their answer
  CHECK(c.posts == ids.size());
  CHECK(c.posts_twice == 0);
}

} // namespace
} // namespace troupe::test
