// What was acknowledged survives a power cut: SQLite on a disk that forgets what was not synced.

#include "tests/kit/faulty_vfs.hpp"
#include "tests/runtime/store/ground.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::store;
using namespace troupe::store::test;
using Catch::Matchers::Contains;
using testkit::crash_loss;
using testkit::disk_fault;
using testkit::faulty_vfs;

namespace {

sqlite_options on(const faulty_vfs& disk, const temporary_folder& folder) {
  sqlite_options o;
  o.path = folder / "a.db";
  o.vfs = disk.name();
  o.checkpoint_thread = false; // one thread: the n-th operation is the same every time
  o.log_pages_max = 12;        // so that checkpoints are among the operations
  return o;
}

store::unit step(lsn n) {
  auto u = n == 1 ? created_unit(1, a_record(1)) : row_unit(n, 1);
  u.blobs.push_back(a_blob(std::string(3'000, static_cast<char>('a' + n))));
  return u;
}

constexpr lsn steps_max = 14;

// Commits until something fails. @returns the last step that was acknowledged.
lsn work(const faulty_vfs& disk, const temporary_folder& folder) {
  auto s = open_sqlite(on(disk, folder));
  if (!s)
    return 0;
  lsn acknowledged = 0;
  for (lsn n = 1; n <= steps_max && commit(**s, step(n)); ++n)
    acknowledged = n;
  return acknowledged;
}

} // namespace

TEST_CASE("a commit is on the disk when it is acknowledged, with one sync", "[store]") {
  faulty_vfs disk{"one_sync"};
  temporary_folder folder;
  auto o = on(disk, folder);
  o.log_pages_max = 4'000;
  auto aut = std::move(open_sqlite(o)).value();
  REQUIRE(commit(*aut, row_unit(1, 1)));

  auto before = disk.syncs();
  for (lsn n = 2; n <= 11; ++n)
    REQUIRE(commit(*aut, row_unit(n, 1)));
  CHECK(disk.syncs() - before == 10);
  CHECK(disk.unsynced_bytes() == 0);

  disk.crash();
  aut.reset();
  CHECK(open_sqlite(o).value()->load(1).value().size() == 11);
}

TEST_CASE("without synced commits the disk does forget", "[store]") {
  faulty_vfs disk{"no_sync"};
  temporary_folder folder;
  auto o = on(disk, folder);
  o.log_pages_max = 4'000;
  o.synchronous = store_sync::normal;
  auto aut = std::move(open_sqlite(o)).value();
  REQUIRE(commit(*aut, row_unit(1, 1)));

  disk.crash();
  aut.reset();

  CHECK(open_sqlite(o).value()->load(1).value().empty());
}

TEST_CASE("a power cut at any write or sync loses nothing that was acknowledged", "[store]") {
  for (auto loss : {crash_loss::all, crash_loss::some, crash_loss::torn}) {
    for (std::uint64_t nth = 0;; ++nth) {
      faulty_vfs disk{"sweep"};
      temporary_folder folder;
      disk.crash_at(nth, loss, nth + 1);
      auto acknowledged = work(disk, folder);
      if (disk.operations() <= nth)
        break; // it was over before

      auto next = open_sqlite(on(disk, folder));
      INFO("power cut at operation " << nth << ", loss " << static_cast<int>(loss));
      REQUIRE(next);
      auto rows = (*next)->load(1).value();
      // One more may be durable: the one whose acknowledgement was cut off.
      REQUIRE(rows.size() >= acknowledged);
      REQUIRE(rows.size() <= acknowledged + 1);
      for (const auto& row : rows) {
        REQUIRE(journal::decode_row(row.at, 1, row.bytes));
        REQUIRE((*next)->load_blob(step(row.at).blobs[0].hash));
      }
      REQUIRE(commit(**next, step(rows.size() + 1)));
    }
  }
}

TEST_CASE("a second power cut during recovery loses nothing either", "[store]") {
  for (std::uint64_t nth = 0;; ++nth) {
    faulty_vfs disk{"twice"};
    temporary_folder folder;
    disk.crash_at(200, crash_loss::some, 3);
    auto acknowledged = work(disk, folder);
    REQUIRE(acknowledged > 0);

    disk.crash_at(nth, crash_loss::some, nth);
    auto before = disk.operations();
    (void)open_sqlite(on(disk, folder));
    auto over = disk.operations() - before <= nth;

    disk.crash_at(1'000'000);
    auto next = open_sqlite(on(disk, folder));
    INFO("second power cut at operation " << nth);
    REQUIRE(next);
    REQUIRE((*next)->load(1).value().size() >= acknowledged);
    if (over)
      break;
  }
}

TEST_CASE("a failed write or sync refuses the commit, and the next one works", "[store]") {
  faulty_vfs disk{"faults"};
  temporary_folder folder;
  auto o = on(disk, folder);
  auto aut = std::move(open_sqlite(o)).value();
  lsn next = 1;
  REQUIRE(commit(*aut, step(next++)));

  disk.fail_writes(disk_fault::full);
  auto full = commit(*aut, step(next));
  CHECK(commit(*aut).error().code == errc::store_failed); // the probe writes, so it tells
  disk.heal();
  REQUIRE(commit(*aut));
  REQUIRE(commit(*aut, step(next++)));

  disk.fail_writes(disk_fault::io_error, 1);
  auto broken = commit(*aut, step(next));
  disk.heal();
  REQUIRE(commit(*aut, step(next++)));

  disk.fail_syncs(disk_fault::io_error);
  auto unsynced = commit(*aut, step(next));
  disk.heal();
  REQUIRE(commit(*aut, step(next++)));

  CHECK(full.error().code == errc::store_failed);
  CHECK_THAT(full.error().message, Contains("no room left on the disk"));
  CHECK(broken.error().code == errc::store_failed);
  CHECK_THAT(unsynced.error().message, Contains("a.db") && Contains("while committing"));

  disk.crash();
  aut.reset();
  CHECK(open_sqlite(o).value()->load(1).value().size() == next - 1);
}

TEST_CASE("a checkpoint whose syncs fail takes nothing from the log", "[store]") {
  faulty_vfs disk{"checkpoint"};
  temporary_folder folder;
  auto o = on(disk, folder);
  auto acknowledged = lsn{0};
  {
    auto aut = std::move(open_sqlite(o)).value();
    for (lsn n = 1; n <= 40; ++n) {
      // Every third sync from some commit on fails: of the log, of the database, in turn.
      if (n > 5)
        disk.fail_syncs(disk_fault::io_error, n % 3);
      if (commit(*aut, step(acknowledged + 1)))
        ++acknowledged;
      disk.heal();
    }
    disk.crash(crash_loss::some, 9);
  }

  auto next = std::move(open_sqlite(o)).value();
  CHECK(acknowledged > 10);
  CHECK(next->load(1).value().size() == acknowledged);
}
