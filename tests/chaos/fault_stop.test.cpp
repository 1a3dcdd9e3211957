// A process that is stopped for longer than all of its timeouts, and goes on.
#include "tests/chaos/couriers.hpp"

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

constexpr int parcels = 32;
constexpr int timeout_ms = 1'000;

TEST_CASE("fault 4, SIGSTOP: nobody takes its store meanwhile, and it goes on where it stood") {
  scratch folder;
  courier_services outside{30ms};
  auto port = free_port();
  auto file = courier_topology(folder, port, outside.port(), "t.db", timeout_ms);
  troupe_process server{{"run", file}};
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  while (server.alive() && peer.get("/v1/agents").status == 0)
    std::this_thread::sleep_for(2ms);
  std::vector<std::string> ids;
  for (int n = 0; n < parcels; ++n)
    ids.push_back(send_parcel(peer, n).text("id"));
  while (outside.take().entries < parcels) // in the middle of their way
    std::this_thread::sleep_for(1ms);

  server.send(SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds{2 * timeout_ms});
  auto second = troupe({"run", file});
  server.send(SIGCONT);

  CHECK(second.exit_code == 1);
  CHECK(second.err.find(std::to_string(server.pid())) != std::string::npos);
  for (int n = 0; n < parcels; ++n) {
    auto got = http_answer{};
    do {
      got = peer.get("/v1/invocations/" + ids[static_cast<std::size_t>(n)]);
    } while (is_open(got));
    INFO(got.body);
    CHECK(got.body.find(fmt::format("\"sum\":{},", expected_sum(n))) != std::string::npos);
  }
  auto c = outside.take();
  CHECK(c.entries == parcels * courier_steps);
  CHECK(c.entries_twice == 0);
  CHECK(c.posts == parcels);
  CHECK(c.posts_twice == 0);
}

} // namespace
} // namespace troupe::test
