#include "tests/runtime/store/ground.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace troupe;
using namespace troupe::store;
using namespace troupe::store::test;
using Catch::Matchers::Contains;

namespace {

sqlite_options at(const std::filesystem::path& file) {
  sqlite_options o;
  o.path = file;
  return o;
}

store_ptr opened(const std::filesystem::path& file) {
  return std::move(open_sqlite(at(file))).value();
}

// The tables as version 1 had them, with one invocation.
constexpr auto old_store = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE journal(lsn INTEGER PRIMARY KEY, inv INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX journal_inv ON journal(inv);
CREATE TABLE invocation(
  no INTEGER PRIMARY KEY, agent TEXT NOT NULL, key TEXT NOT NULL, idempotency_key TEXT NOT NULL,
  input_hash INTEGER NOT NULL, state INTEGER NOT NULL, wake_at INTEGER NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, deadline INTEGER NOT NULL,
  parent INTEGER NOT NULL, run INTEGER NOT NULL, generation INTEGER NOT NULL);
CREATE UNIQUE INDEX invocation_idempotency ON invocation(agent, idempotency_key)
  WHERE idempotency_key <> '';
CREATE INDEX invocation_open ON invocation(no) WHERE state < 10;
CREATE TABLE blob(hash BLOB PRIMARY KEY, refs INTEGER NOT NULL, node INTEGER NOT NULL,
  body INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob_body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE agent_state(agent TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY(agent, key)) WITHOUT ROWID;
INSERT INTO meta VALUES('epoch', 4), ('last_lsn', 0), ('last_invocation', 0), ('tag', 'oldone'),
  ('created', 0);
INSERT INTO invocation VALUES(3, 'triage', '', '', 0, 10, 0, 1, 2, 0, 0, 0, 0);
INSERT INTO journal VALUES(8, 3, x'00');
INSERT INTO agent_state VALUES('desk', 'c-1', '{}');
PRAGMA application_id = 0x74727570;
PRAGMA user_version = 1;
)";

mode_t mode_of(const std::filesystem::path& file) {
  struct stat s {};
  REQUIRE(::stat(file.c_str(), &s) == 0);
  return s.st_mode & 0777U;
}

store::unit big_unit(lsn no, std::size_t bytes) {
  auto u = row_unit(no, 1);
  u.blobs.push_back(a_blob(std::string(bytes, static_cast<char>('a' + no % 26))));
  return u;
}

} // namespace

TEST_CASE("a second process is told who has the store open", "[store]") {
  temporary_folder folder;
  auto first = opened(folder / "a.db");

  auto second = open_sqlite(at(folder / "a.db"));

  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::unavailable);
  CHECK_THAT(second.error().message, Contains("a.db is in use by process "
                                              + std::to_string(::getpid())));
  first.reset();
  CHECK(open_sqlite(at(folder / "a.db")));
}

TEST_CASE("a stolen store belongs to the thief, also against a third", "[store]") {
  temporary_folder folder;
  auto zombie = opened(folder / "a.db");
  auto how = at(folder / "a.db");
  how.steal = true;

  auto thief = std::move(open_sqlite(how)).value();

  CHECK(commit(*zombie, row_unit(1, 1)).error().code == errc::fenced);
  CHECK(commit(*thief, row_unit(1, 1)));
  CHECK(open_sqlite(at(folder / "a.db")).error().code == errc::unavailable);
  zombie.reset();
  CHECK(open_sqlite(at(folder / "a.db")).error().code == errc::unavailable);
}

TEST_CASE("the store's files are for their owner alone", "[store]") {
  temporary_folder folder;
  auto file = folder / "new/deep/a.db";
  auto aut = opened(file);
  REQUIRE(commit(*aut, row_unit(1, 1)));

  CHECK(mode_of(folder / "new") == 0700);
  CHECK(mode_of(folder / "new/deep") == 0700);
  for (const auto* end : {"", "-wal", "-shm", ".lock"})
    CHECK(mode_of(file.string() + end) == 0600);
}

TEST_CASE("a store of version 1 is migrated with what it holds", "[store]") {
  temporary_folder folder;
  run_sql(folder / "a.db", old_store);

  {
    auto aut = opened(folder / "a.db");
    CHECK(aut->tag() == "oldone");
    CHECK(aut->owner() == 5);
    CHECK(aut->last_lsn() == 8);
    CHECK(aut->find(3).value()->parent_effect.empty());
    CHECK(aut->finished_before(at_second(1), at_second(1), 10).value() == std::vector<invocation_no>{3});
    CHECK(aut->load_state("desk", "c-1").value() == "{}");
    CHECK(aut->old_states("desk", at_second(1'000'000'000), {}, 10).value().empty()); // counts from now
    CHECK(aut->old_states("desk", never, {}, 10).value().size() == 1);
    auto child = a_record(4);
    child.parent_effect = "-/2";
    REQUIRE(commit(*aut, created_unit(9, child)));
  }

  auto again = opened(folder / "a.db");
  CHECK(again->find(4).value()->parent_effect == "-/2");
}

TEST_CASE("a migration that fails leaves the old store", "[store]") {
  temporary_folder folder;
  run_sql(folder / "a.db", std::string{old_store}
                             + "CREATE INDEX invocation_finished ON invocation(created);");

  CHECK_THAT(open_sqlite(at(folder / "a.db")).error().message, Contains("while migrating it"));

  run_sql(folder / "a.db", "DROP INDEX invocation_finished");
  CHECK(opened(folder / "a.db")->find(3).value());
}

TEST_CASE("a store of a newer troupe is refused and not touched", "[store]") {
  temporary_folder folder;
  opened(folder / "a.db").reset();
  run_sql(folder / "a.db", "PRAGMA user_version = 99");

  auto refused = open_sqlite(at(folder / "a.db"));

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::conflict);
  CHECK_THAT(refused.error().message, Contains("version 99") && Contains("versions up to 4"));
}

TEST_CASE("a file that is no store is refused and not touched", "[store]") {
  temporary_folder folder;
  run_sql(folder / "other.db", "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
  CHECK(open_sqlite(at(folder / "other.db")).error().code == errc::conflict);

  std::ofstream(folder / "text.db") << std::string(5'000, 'x');
  auto refused = open_sqlite(at(folder / "text.db"));
  CHECK(refused.error().code == errc::corrupted);
  CHECK_THAT(refused.error().message, Contains("text.db"));
  CHECK(std::filesystem::file_size(folder / "text.db") == 5'000);
}

TEST_CASE("a flipped bit is found in its row, and other invocations load", "[store]") {
  temporary_folder folder;
  auto file = folder / "a.db";
  {
    auto s = opened(file);
    REQUIRE(commit(*s, row_unit(1, 1, "victim-of-rays"), row_unit(2, 2, "bystander")));
  }
  std::ifstream in{file, std::ios::binary};
  std::string image{std::istreambuf_iterator<char>{in}, {}};
  auto hit = image.find("victim-of-rays");
  REQUIRE(hit != std::string::npos);
  image[hit] ^= 4;
  std::ofstream{file, std::ios::binary} << image;

  auto aut = opened(file);

  auto bad = aut->load(1).value();
  REQUIRE(bad.size() == 1);
  auto why = journal::decode_row(bad[0].at, 1, bad[0].bytes);
  REQUIRE_FALSE(why);
  CHECK(why.error().code == errc::corrupted);
  CHECK_THAT(why.error().message, Contains("row 1 of invocation 1"));
  auto good = aut->load(2).value();
  CHECK(journal::decode_row(good[0].at, 2, good[0].bytes));
  CHECK(commit(*aut, row_unit(3, 2), purge_unit(4, {1})));
}

TEST_CASE("a damaged blob and a damaged page are named", "[store]") {
  temporary_folder folder;
  auto file = folder / "a.db";
  auto b = a_blob("content of a blob");
  {
    auto s = opened(file);
    REQUIRE(commit(*s, referring_unit(1, 1, b.hash, {b})));
  }
  run_sql(file, "UPDATE blob_body SET bytes = 'something else'");
  {
    auto aut = opened(file);
    CHECK(aut->load_blob(b.hash).error().code == errc::corrupted);
    CHECK(aut->load(1).value().size() == 1);
  }

  // Page 3 is the root of the journal: meta's is 2.
  std::fstream out{file, std::ios::binary | std::ios::in | std::ios::out};
  out.seekp(2 * 4'096);
  out << std::string(4'096, '\x55');
  out.close();
  auto damaged = open_sqlite(at(file));
  auto why = damaged ? (*damaged)->load(1).error() : damaged.error();
  CHECK(why.code == errc::corrupted);
  CHECK_THAT(why.message, Contains("a.db") && Contains("restore the last backup"));
}

TEST_CASE("a full disk refuses commits, keeps what it has, and works when there is room",
          "[store]") {
  temporary_folder folder;
  auto aut = opened(folder / "a.db");
  REQUIRE(commit(*aut, big_unit(1, 10'000)));
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto small = before;
  small.rlim_cur = 128 * 1024;

  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  auto refused = commit(*aut, big_unit(2, 1'000'000));
  auto still = commit(*aut, big_unit(2, 1'000'000));
  auto little = commit(*aut, row_unit(2, 1));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);

  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::store_failed);
  CHECK_THAT(refused.error().message, Contains("no room left on the disk while committing"));
  CHECK_FALSE(still);
  CHECK(little);
  CHECK(commit(*aut, big_unit(3, 1'000'000)));
  CHECK(aut->load(1).value().size() == 3);
}

TEST_CASE("a backup holds one moment of a store that is being written", "[store]") {
  temporary_folder folder;
  auto aut = opened(folder / "a.db");
  lsn next = 1;
  for (; next <= 50; ++next)
    REQUIRE(commit(*aut, big_unit(next, 20'000)));
  std::atomic<bool> stop{false};
  std::atomic<lsn> written{next};
  std::thread writing{[&] {
    for (auto n = next; !stop; ++n) {
      // Two rows a commit: half of one in the copy would show.
      if (!commit(*aut, row_unit(2 * n, 7), row_unit(2 * n + 1, 7)))
        break;
      written = n;
    }
  }};
  while (written < next + 5)
    std::this_thread::yield();

  auto done = aut->backup((folder / "copy.db").string());
  auto after = written.load();
  while (written < after + 5)
    std::this_thread::yield();
  stop = true;
  writing.join();

  REQUIRE(done);
  CHECK(mode_of(folder / "copy.db") == 0600);
  CHECK_FALSE(std::filesystem::exists(folder / "copy.db.partial"));
  CHECK(aut->backup((folder / "copy.db").string()).error().code == errc::conflict);
  auto copy = opened(folder / "copy.db");
  CHECK(copy->tag() == aut->tag());
  CHECK(copy->load(1).value().size() == 50);
  auto pairs = copy->load(7).value().size();
  CHECK(pairs >= 2 * 5);
  CHECK(pairs % 2 == 0);
  CHECK(pairs < aut->load(7).value().size());
}

TEST_CASE("a backup that cannot be written leaves no file", "[store]") {
  temporary_folder folder;
  auto aut = opened(folder / "a.db");

  auto refused = aut->backup((folder / "nowhere/copy.db").string());

  CHECK(refused.error().code == errc::store_failed);
  CHECK_FALSE(std::filesystem::exists(folder / "nowhere"));
}

TEST_CASE("the log begins anew at its bound, however long the writer is busy", "[store]") {
  temporary_folder folder;
  auto how = at(folder / "a.db");
  how.log_pages_max = 64;
  auto aut = std::move(open_sqlite(how)).value();

  for (lsn n = 1; n <= 300; ++n)
    REQUIRE(commit(*aut, big_unit(n, 10'000)));

  CHECK(std::filesystem::file_size(folder / "a.db-wal") < 4 * 64 * 4'096);
}

TEST_CASE("lists and commits go on at once", "[store]") {
  temporary_folder folder;
  auto aut = opened(folder / "a.db");
  std::atomic<bool> stop{false};
  std::size_t seen = 0;
  std::thread reading{[&] {
    while (!stop) {
      auto found = aut->open_after(0, 1'000);
      if (!found || found->size() < seen)
        break;
      seen = found->size();
    }
  }};
  auto good = true;
  for (invocation_no no = 1; no <= 300; ++no)
    good = good && commit(*aut, created_unit(no, a_record(no))).has_value();
  stop = true;
  reading.join();

  CHECK(good);
  CHECK(aut->open_after(0, 1'000).value().size() == 300);
}
