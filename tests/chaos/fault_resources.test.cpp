// Faults 3, 8 and 11: the real binary without memory, without room on its disk, and without time to
// end.
#include "tests/chaos/couriers.hpp"

#include <sys/mount.h>
#include <sys/resource.h>

namespace troupe::test {
namespace {

using namespace std::chrono_literals;

/// Sends parcels [from, to) until each is acknowledged or `troubled` says that this is the fault.
struct sender {
  http_peer& peer;
  std::map<int, std::string> ids = {};
  std::set<std::string> refusals = {};
  int renamed = 0;

  void send(int from, int to) {
    for (int n = from; n < to; ++n) {
      auto got = send_parcel(peer, n);
      if (got.status == 200 || got.status == 202) {
        auto id = got.text("id");
        renamed += ids.contains(n) && ids[n] != id ? 1 : 0;
        ids[n] = id;
      } else if (got.status != 0) {
        refusals.insert(got.body);
      }
    }
  }

  /// Asks for all until all have ended. @returns how many are right
  int finish(int from, int to, std::chrono::seconds within = 30s) {
    auto end = std::chrono::steady_clock::now() + within;
    int right = 0;
    for (int n = from; n < to; ++n) {
      auto got = http_answer{};
      do {
        send(n, n + 1);
        got = ids.contains(n) ? peer.get("/v1/invocations/" + ids[n]) : http_answer{};
        if (is_open(got))
          std::this_thread::sleep_for(5ms);
      } while (is_open(got) && std::chrono::steady_clock::now() < end);
      bool good = got.text("status") == "completed"
                  && got.body.find(fmt::format("\"sum\":{},", expected_sum(n))) != std::string::npos;
      right += good ? 1 : 0;
      if (!good)
        UNSCOPED_INFO(n << ": " << got.body << got.failure);
    }
    return right;
  }

  bool refused_with(std::string_view part) const {
    return std::any_of(refusals.begin(), refusals.end(),
                       [&](const auto& r) { return r.find(part) != std::string::npos; });
  }
};

void check_effects(const courier_services& outside, int parcels) {
  auto c = outside.take();
  CHECK(c.entries == static_cast<std::size_t>(parcels) * courier_steps);
  CHECK(c.entries_twice == 0);
  CHECK(c.posts == static_cast<std::size_t>(parcels));
  CHECK(c.posts_twice == 0);
}

/// Bytes of address space that a process has now.
rlim_t address_space(pid_t pid) {
  auto in = std::ifstream{fmt::format("/proc/{}/statm", pid)};
  rlim_t pages = 0;
  in >> pages;
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void limit(pid_t pid, __rlimit_resource what, rlim_t to) {
  rlimit both{to, RLIM_INFINITY};
  REQUIRE(prlimit(pid, what, &both, nullptr) == 0);
}

/// A folder on a disk of 32 MiB (a log has 16 before it begins anew), or the reason why there is none.
class small_disk {
public:
  small_disk() {
    std::filesystem::create_directory(path());
    if (mount("none", path().c_str(), "tmpfs", 0, "size=32m,mode=700") == 0)
      mounted_ = true;
    else
      reason_ = std::strerror(errno);
  }
  ~small_disk() {
    if (mounted_)
      umount2(path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& reason() const { return reason_; }
  std::filesystem::path path() const { return folder_ / "disk"; }

  /// Leaves `room` bytes.
  void fill(std::uintmax_t room) const {
    auto there = std::filesystem::space(path()).available;
    auto out = std::ofstream{path() / "filler", std::ios::binary};
    out << std::string(there > room ? there - room : 0, 'x');
  }
  void make_room() const { std::filesystem::remove(path() / "filler"); }

private:
  scratch folder_;
  bool mounted_ = false;
  std::string reason_;
};

} // namespace

TEST_CASE("fault 11, disk full: what was acknowledged stays, and all goes on when there is room") {
  small_disk disk;
  if (!disk.mounted())
    std::printf("no small tmpfs (%s): a bound on the size of files stands in for it\n",
                disk.reason().c_str());
  scratch folder;
  courier_services outside;
  auto port = free_port();
  auto file = courier_topology(folder, port, outside.port(), (disk.path() / "t.db").string());
  troupe_process server{{"run", file, "--log-level", "info"}};
  REQUIRE(server.says("troupe.ready"));
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  sender customers{peer};
  customers.send(1, 40); // in flight while the disk fills up

  if (disk.mounted())
    disk.fill(0);
  else
    limit(server.pid(), RLIMIT_FSIZE, std::filesystem::file_size(disk.path() / "t.db-wal"));
  for (int round = 0; round < 100 && !customers.refused_with("store_failed"); ++round)
    customers.send(40, 80);
  auto ready = peer.get("/readyz");
  INFO(server.err());
  CHECK(customers.refused_with("store_failed"));
  CHECK(server.says("journal.commit_failed"));
  CHECK(server.says(disk.mounted() ? "no room left on the disk" : "t.db"));
  CHECK(ready.status == 503);

  if (disk.mounted())
    disk.make_room();
  else
    limit(server.pid(), RLIMIT_FSIZE, RLIM_INFINITY);
  CHECK(server.says("journal.recovered"));
  CHECK(customers.finish(1, 80) == 79);
  CHECK(customers.renamed == 0);
  check_effects(outside, 79);
  CHECK(server.alive());
}

TEST_CASE("fault 11, disk full: a process that is killed while there is no room begins again") {
  small_disk disk;
  if (!disk.mounted()) {
    std::printf("no small tmpfs: %s\n", disk.reason().c_str());
    return;
  }
  scratch folder;
  courier_services outside;
  auto port = free_port();
  auto file = courier_topology(folder, port, outside.port(), (disk.path() / "t.db").string());
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  sender customers{peer};
  {
    troupe_process first{{"run", file, "--log-level", "info"}};
    REQUIRE(first.says("troupe.ready"));
    customers.send(1, 30);
    disk.fill(0);
    for (int round = 0; round < 100 && !customers.refused_with("store_failed"); ++round)
      customers.send(30, 60);
    first.kill();
  }
  auto refused = troupe({"run", file, "--once"});
  INFO(refused.err);
  CHECK(refused.exit_code != 0);
  CHECK(refused.err.find("no room") != std::string::npos);

  disk.make_room();
  troupe_process next{{"run", file, "--log-level", "info"}};
  REQUIRE(next.says("troupe.ready"));
  CHECK(customers.finish(1, 60) == 59);
  CHECK(customers.renamed == 0);
  check_effects(outside, 59);
}

TEST_CASE("fault 3, out of memory: the process may end, and what it had accepted goes on") {
  int ends = 0;
  int deaths = 0;
  for (rlim_t spare : {1U, 24U}) { // MiB beyond what it has when it is ready
    INFO(spare << " MiB to spare");
    scratch folder;
    courier_services outside;
    auto port = free_port();
    auto file = courier_topology(folder, port, outside.port(), "t.db", 2'000,
                                 "[agents.hoarder]\nconcurrency = 30\n");
    http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
    sender customers{peer};
    std::map<std::string, std::string> hoarders; // key -> id
    {
      troupe_process server{{"run", file, "--log-level", "info"}};
      REQUIRE(server.says("troupe.ready"));
      customers.send(1, 5);
      limit(server.pid(), RLIMIT_AS, address_space(server.pid()) + (spare << 20U));
      auto end = std::chrono::steady_clock::now() + 2s;
      for (int n = 0; std::chrono::steady_clock::now() < end && server.alive(); ++n) {
        net::http_headers headers;
        auto key = fmt::format("h{}", n % 40);
        headers.add("Idempotency-Key", key).add("Prefer", "respond-async");
        auto got = peer.send("POST", "/v1/agents/hoarder/invocations",
                             fmt::format("{{\"n\":{}}}", 12 + 4 * (n % 40 % 3)), headers, 2s);
        if (got.status == 202 || got.status == 200)
          hoarders[key] = got.text("id");
        customers.send(5 + n % 30, 6 + n % 30);
      }
      auto said = server.err();
      deaths += said.find("bad_alloc") != std::string::npos ? 1 : 0;
      if (!server.alive()) {
        ++ends;
        auto how = server.wait();
        INFO(how.err);
        CHECK((how.signal == SIGABRT || how.exit_code > 0)); // it says so, it does not just stop
      }
    }

    troupe_process next{{"run", file, "--log-level", "info"}};
    REQUIRE(next.says("troupe.ready"));
    CHECK(customers.finish(1, 35) == 34);
    CHECK(customers.renamed == 0);
    check_effects(outside, 34);
    // Who died too often without memory: now that there is some, a person lets them try again.
    auto settled = [&](const std::string& id) {
      auto got = peer.get("/v1/invocations/" + id);
      for (int i = 0; i < 2'000 && is_open(got); ++i) {
        std::this_thread::sleep_for(5ms);
        got = peer.get("/v1/invocations/" + id);
      }
      return got;
    };
    for (const auto& [key, id] : hoarders)
      if (auto got = settled(id); got.text("status") == "quarantined") {
        CHECK(got.body.find("bad_alloc") != std::string::npos);
        CHECK(peer.post("/v1/invocations/" + id + "/retry").status < 300);
      }
    for (const auto& [key, id] : hoarders) {
      auto got = settled(id);
      INFO(got.body);
      CHECK(got.text("status") == "completed");
    }
  }
  std::printf("out of memory: %d processes ended, in %d an agent died of it\n", ends, deaths);
  CHECK(deaths + ends > 0);
}

TEST_CASE("fault 8, slow shutdown: it ends in its time, and the next process does what is left") {
  scratch folder;
  courier_services outside{800ms}; // each answer takes longer than there is time to end
  auto port = free_port();
  auto file = courier_topology(folder, port, outside.port(), "t.db", 2'000,
                               "[dispatcher]\ndrain_timeout = \"300ms\"\n");
  http_peer peer{fmt::format("http://127.0.0.1:{}", port)};
  sender customers{peer};
  ending end;
  std::chrono::steady_clock::duration took{};
  {
    troupe_process server{{"run", file, "--log-level", "info"}};
    REQUIRE(server.says("troupe.ready"));
    customers.send(1, 20);
    auto begun = std::chrono::steady_clock::now();
    server.send(SIGTERM);
    while (peer.get("/readyz").status == 200)
      ;
    customers.send(20, 21); // refused: it ends
    end = server.wait();
    took = std::chrono::steady_clock::now() - begun;
  }
  INFO(end.err);
  CHECK(end.exit_code == 0);
  CHECK(took < 3s);
  CHECK(end.err.find("troupe.drained") != std::string::npos);
  CHECK(end.err.find("\"left\":19") != std::string::npos);

  troupe_process next{{"run", file, "--log-level", "info"}};
  REQUIRE(next.says("troupe.ready"));
  CHECK(customers.finish(1, 21) == 20);
  CHECK(customers.renamed == 0);
  check_effects(outside, 20);
}

} // namespace troupe::test
