// Faults 12 to 16 and 20: what disks do.
#include "tests/kit/faulty_disk.hpp"
#include "tests/sim/fault_ground.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;
using kit::disk_kind;
using testkit::crash_loss;

namespace {

constexpr int crowd_size = 6;
constexpr std::uint64_t seeds_in_memory = 60;
constexpr std::uint64_t seeds_on_sqlite = 12;

struct sums {
  std::uint64_t seeds = 0;
  kit::disk_counts disk;
  int lives = 0;
  int crashes = 0;
};

// Seed after seed of a disk with these faults: what must hold, and what was seen of the faults.
template <class Check>
sums on_disks(disk_kind kind, kit::disk_faults faults, Check check) {
  sums all;
  for (std::uint64_t seed = 1; seed <= (kind == disk_kind::memory ? seeds_in_memory : seeds_on_sqlite);
       ++seed) {
    INFO("seed " << seed << (kind == disk_kind::memory ? ", memory" : ", SQLite"));
    kit::world w;
    faults.seed = seed;
    auto disk = kit::faulty_disk::under(w, faults, kind);
    customers crowd{crowd_size};
    auto h = survive(w, crowd, seed, 25, [&] { disk->heal(); });
    crowd.check(w);
    check(crowd, h);
    ++all.seeds;
    all.lives += h.lives;
    all.crashes += h.crashes;
    const auto& c = disk->counts();
    all.disk.commits += c.commits;
    all.disk.sync_errors += c.sync_errors;
    all.disk.write_errors += c.write_errors;
    all.disk.stalls += c.stalls;
    all.disk.returned += c.returned;
  }
  return all;
}

void nothing_more(customers&, const history_of_faults&) {}

} // namespace

TEST_CASE("fault 12, torn write: half a write is never taken for a whole one", "[fault]") {
  kit::disk_faults faults;
  faults.crash = 0.08;
  for (auto loss : {crash_loss::torn, crash_loss::some, crash_loss::all}) {
    faults.loss = loss;
    auto all = on_disks(disk_kind::sqlite, faults, nothing_more);
    CHECK(all.crashes > static_cast<int>(all.seeds));
    WARN("torn write (loss " << static_cast<int>(loss) << "): " << all.seeds << " seeds, "
                             << all.crashes << " power cuts within commits");
  }
  auto all = on_disks(disk_kind::memory, faults, nothing_more);
  CHECK(all.crashes > static_cast<int>(all.seeds));
}

TEST_CASE("fault 13, fsync error: what was not synced is taken back, and the reason is told",
          "[fault]") {
  kit::disk_faults faults;
  faults.sync_error = 0.2;
  faults.write_error = 0.05;
  faults.crash = 0.03;
  for (auto kind : {disk_kind::memory, disk_kind::sqlite}) {
    std::uint64_t told = 0;
    auto all = on_disks(kind, faults, [&](customers& crowd, const history_of_faults& h) {
      told += crowd.heard(kind == disk_kind::memory ? "the sync failed" : "while committing") ? 1 : 0;
      CHECK(said(h.trace, {"journal.commit_failed", "store_failed"}));
      CHECK(said(h.trace, {"journal.recovered"}));
    });
    CHECK(all.disk.sync_errors > all.seeds);
    CHECK(told > all.seeds / 2);
    WARN("fsync error: " << all.seeds << " seeds, " << all.disk.sync_errors << " failed syncs, "
                         << all.disk.returned << " failed commits that were there after a crash");
  }
  faults.crash = 0.3; // a commit that was said to have failed is found by the next life
  auto all = on_disks(disk_kind::memory, faults, nothing_more);
  CHECK(all.disk.returned > 5);
  WARN("fsync error, then a crash: " << all.disk.returned << " failed commits were there after it");
}

TEST_CASE("fault 14, flipped bit: one invocation stops with the row named, and goes on when restored",
          "[fault]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    auto disk = kit::faulty_disk::under(w, {.seed = seed});
    customers crowd{crowd_size};
    {
      kit::stage first{w, errands(seed)};
      crowd.send(first);
      // Charged, asleep, not yet posted.
      first.run_until([&] { return w.total("tool:charge") == crowd_size; });
      first.run(100ms);
      crowd.listen();
      crowd.forget();
    }
    auto hit = 1 + seed % crowd_size;
    auto bit = disk->flip_bit(hit, 0);

    {
      kit::stage second{w, errands(seed + 1)};
      crowd.send(second);
      second.run(1min);
      crowd.listen();
      CHECK(w.total("tool:post") == crowd_size - 1); // all but that one
      CHECK(said(second.trace(), {"invocation.paused", "corrupted", "journal row"}));
      crowd.forget();
    }

    w.disk->flip_bit(hit, 0, bit); // from the backup
    survive(w, crowd, seed, 0, [] {});
    crowd.check(w);
  }
}

TEST_CASE("fault 15, truncated log tail: what was acknowledged lies before the cut", "[fault]") {
  kit::disk_faults faults;
  faults.crash = 0.08;
  faults.loss = crash_loss::tail;
  auto all = on_disks(disk_kind::sqlite, faults, nothing_more);
  CHECK(all.crashes > static_cast<int>(all.seeds));
  WARN("truncated log tail: " << all.seeds << " seeds, " << all.crashes << " cuts");
}

TEST_CASE("fault 15, truncated log tail: a log that was cut later is a moment of the past, whole",
          "[fault]") {
  // Nothing can bring back what a broken file system takes of what it had acknowledged. But what
  // is left is whole, and a client that repeats its request under its key is served as ever.
  std::uint64_t cuts = 0;
  for (std::uint64_t bytes = 0; bytes < 60'000; bytes += 1'777) {
    INFO(bytes << " bytes cut");
    kit::world w;
    auto disk = kit::faulty_disk::under(w, {}, disk_kind::sqlite);
    customers crowd{1};
    {
      kit::stage first{w, errands(3)};
      crowd.send(first);
      first.run_until([&] { return w.total("tool:charge") == 1; });
      crowd.forget();
    }
    auto had = disk->cut_log(bytes);
    cuts += bytes < had ? 1 : 0;

    customers again{1};
    survive(w, again, 4, 0, [] {});
    again.check(w);
  }
  CHECK(cuts > 10);
}

TEST_CASE("fault 16, I/O stall: others go on, deadlines count, and nothing is sent twice", "[fault]") {
  kit::disk_faults faults;
  faults.stall = 0.15;
  for (auto wait : {2s, 20s}) { // less and more than a call may take
    faults.stall_for = wait;
    faults.crash = 0.02;
    auto all = on_disks(disk_kind::memory, faults, nothing_more);
    CHECK(all.disk.stalls > all.seeds);
    WARN("I/O stall of " << wait.count() << " s: " << all.seeds << " seeds, " << all.disk.stalls
                         << " stalls, " << all.crashes << " crashes");
  }
  faults.stall_for = 5s;
  auto all = on_disks(disk_kind::sqlite, faults, nothing_more);
  CHECK(all.disk.stalls > all.seeds);
}

TEST_CASE("fault 11, disk full: a unit that is too large for the room that is left holds up nobody else",
          "[fault]") {
  play("brings_much", [](order in) -> task<receipt> {
    auto got = co_await tool("look").arg("id", in.id).call<std::string>();
    auto paid = co_await tool("charge").arg("id", in.id).call<std::string>();
    receipt out;
    out.id = in.id;
    out.steps = got && paid ? static_cast<int>(got->size()) : 0;
    co_return out;
  });
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    kit::world w;
    kit::disk_faults small;
    small.seed = seed;
    small.bytes_max = 200'000;
    auto disk = kit::faulty_disk::under(w, small);
    auto o = errands(seed);
    o.agents.push_back(named("brings_much"));
    auto& look = find_service(o, "tool:look");
    look.answer = [before = look.answer](const call_request& r, std::uint32_t nth) {
      auto a = before(r, nth);
      if (r.agent == "brings_much")
        a.value = to_json(std::string(300'000, 'x'));
      return a;
    };
    kit::stage aut{w, o};
    // One has an input that does not fit, another gets an answer that does not.
    auto large = R"({"id":")" + std::string(250'000, 'i') + R"(","amount":1})";
    auto sent = aut.invoke("errand", large, "large");
    auto brings = aut.invoke("brings_much", one_order, "brings");
    customers crowd{crowd_size};
    auto begun = aut.now();
    std::string why;
    while (!crowd.all_done() && aut.now() - begun < 2min) {
      if (sent->refused || sent->ended) {
        why = sent->value ? why : sent->value.error().message;
        sent = aut.invoke("errand", large, "large"); // it does not give up
      }
      if (brings->refused || brings->ended)
        brings = aut.invoke("brings_much", one_order, "brings");
      crowd.send(aut);
      aut.run(100ms);
      crowd.listen();
    }
    aut.run(2min);
    auto failures = std::count_if(aut.trace().begin(), aut.trace().end(), [](const auto& line) {
      return line.find("journal.commit_failed") != std::string::npos;
    });
    CHECK(crowd.all_done());
    CHECK(why.find("no room for") != std::string::npos);
    CHECK(failures < 10); // not one for each time that it was sent: each takes all back
    CHECK(said(aut.trace(), {"journal.unit_refused", "no room for"}));

    disk->heal();
    auto fits = aut.invoke("brings_much", one_order, "brings");
    aut.run_until([&] { return fits->ended; }, 11min);
    sent = aut.invoke("errand", large, "large");
    aut.run_until([&] { return sent->ended || sent->refused; }, 1min);
    CHECK(receipt_of(*fits).steps == 300'000);
    CHECK(receipt_of(*sent).steps == 1'111);
    CHECK(w.effects["tool:charge"].size() == crowd_size + 2);
    CHECK(w.most("tool:post") == 1);
  }
}
