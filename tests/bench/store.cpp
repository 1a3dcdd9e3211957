// What the store makes of SQLite: commits of one row, rows in batches, invocations, blobs; beside
// them the same rows written by bare SQLite with the same tables' shape and durability.
//
//   bench_store [--seconds N] [--folder DIR]
//
// One JSON object a line. Each figure has a fresh file in DIR (the system's temporary folder by
// default: pass one on the disk that matters).

#include "runtime/store/sqlite_store.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace {

using namespace troupe;
using namespace troupe::store;
using store::unit; // not troupe::unit
using steady = std::chrono::steady_clock;

constexpr std::size_t row_bytes = 200;
constexpr std::size_t batch_rows = 256;

struct setting {
  double seconds = 3;
  std::filesystem::path folder;
};

// As at 256 invocations that make ten steps each, side by side.
invocation_no owner_of(lsn at) {
  return at / 2'560 * 256 + at % 256 + 1;
}

/// Runs `once` (which does `n` things) for the time that is set and prints its figures.
template <class F>
void measure(const setting& how, const char* subject, const char* what, std::size_t n, F once) {
  std::vector<double> took;
  auto begin = steady::now();
  for (auto last = begin; std::chrono::duration<double>(last - begin).count() < how.seconds;) {
    once();
    auto now = steady::now();
    took.push_back(std::chrono::duration<double, std::micro>(now - last).count());
    last = now;
  }
  auto total = std::chrono::duration<double>(steady::now() - begin).count();
  std::sort(took.begin(), took.end());
  auto at = [&](double q) { return took[static_cast<std::size_t>(q * (took.size() - 1))]; };
  fmt::print("{{\"bench\":\"store\",\"subject\":\"{}\",\"what\":\"{}\",\"per_commit\":{},"
             "\"per_s\":{:.0f},\"p50_us\":{:.1f},\"p99_us\":{:.1f},\"p999_us\":{:.1f},"
             "\"max_us\":{:.0f},\"synchronous\":\"full\"}}\n",
             subject, what, n, static_cast<double>(took.size() * n) / total, at(0.5), at(0.99),
             at(0.999), took.back());
  std::fflush(stdout);
}

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "bench_store: {}\n", why);
  std::exit(1);
}

std::filesystem::path fresh(const setting& how) {
  std::filesystem::remove_all(how.folder);
  std::filesystem::create_directories(how.folder);
  return how.folder / "bench.db";
}

void measure_raw(const setting& how, const char* what, std::size_t rows) {
  sqlite3* db = nullptr;
  sqlite3_open_v2(fresh(how).c_str(), &db,
                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  sqlite3_exec(db,
               "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -8192;"
               "PRAGMA wal_autocheckpoint = 4000;"
               "CREATE TABLE journal(lsn INTEGER PRIMARY KEY, inv INTEGER NOT NULL,"
               " body BLOB NOT NULL); CREATE INDEX journal_inv ON journal(inv)",
               nullptr, nullptr, nullptr);
  sqlite3_stmt* begin = nullptr;
  sqlite3_stmt* add = nullptr;
  sqlite3_stmt* end = nullptr;
  sqlite3_prepare_v2(db, "BEGIN IMMEDIATE", -1, &begin, nullptr);
  sqlite3_prepare_v2(db, "INSERT INTO journal VALUES(?1, ?2, ?3)", -1, &add, nullptr);
  sqlite3_prepare_v2(db, "COMMIT", -1, &end, nullptr);
  auto run = [&](sqlite3_stmt* s) {
    sqlite3_step(s);
    if (sqlite3_reset(s) != SQLITE_OK)
      give_up(sqlite3_errmsg(db));
  };
  std::string body(row_bytes, 'x');
  lsn next = 0;
  measure(how, "sqlite", what, rows, [&] {
    run(begin);
    for (std::size_t i = 0; i < rows; ++i) {
      ++next;
      sqlite3_bind_int64(add, 1, static_cast<sqlite3_int64>(next));
      sqlite3_bind_int64(add, 2, static_cast<sqlite3_int64>(owner_of(next)));
      sqlite3_bind_blob(add, 3, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
      run(add);
    }
    run(end);
  });
  for (auto* s : {begin, add, end})
    sqlite3_finalize(s);
  sqlite3_close(db);
}

/// @param fill makes a unit of the batch from its LSN
template <class F>
void measure_store(const setting& how, const char* what, std::size_t units, F fill) {
  system_random chance;
  system_time clock;
  sqlite_options o;
  o.path = fresh(how);
  auto opened = sqlite_store::open(o, chance, clock);
  if (!opened)
    give_up(opened.error().message);
  auto& store = **opened;
  batch b;
  b.owner = store.owner();
  b.units.resize(units);
  lsn next = 0;
  measure(how, "troupe", what, units, [&] {
    for (auto& u : b.units) {
      u.at = ++next;
      fill(u);
    }
    if (auto done = store.commit(b); !done)
      give_up(done.error().message);
  });
}

record new_record(invocation_no no) {
  record r;
  r.no = no;
  r.agent = "triage";
  r.idempotency_key = fmt::format("ticket-{:012}", no);
  r.created = r.updated = utc_time{std::chrono::microseconds{1'700'000'000'000'000 + no}};
  return r;
}

void append_row(unit& u) {
  u.invocation = owner_of(u.at);
  if (u.row.empty())
    u.row.assign(row_bytes, 'x');
}

void create(unit& u) {
  u.invocation = u.at;
  u.created = new_record(u.at);
}

// Every batch begins 128 invocations and finishes the 128 before them.
void create_or_finish(unit& u) {
  auto round = (u.at - 1) / batch_rows;
  auto within = (u.at - 1) % batch_rows;
  u.created.reset();
  if (within % 2 == 0) {
    u.invocation = (round * batch_rows + within) / 2 + 1;
    u.created = new_record(u.invocation);
  } else if (round > 0) {
    u.invocation = ((round - 1) * batch_rows + within) / 2 + 1;
    u.changed = change{status::completed, never, new_record(u.invocation).updated, 0, 0};
  }
}

void add_blob(unit& u) {
  std::string bytes(6'000, 'b');
  std::copy_n(fmt::format("{:08}", u.at).begin(), 8, bytes.begin());
  auto hash = sha256(bytes);
  u.blobs.assign(1, blob{hash, std::move(bytes), false});
  u.references.assign(1, hash);
}

} // namespace

int main(int argc, char** argv) {
  setting how;
  how.folder = std::filesystem::temp_directory_path();
  CLI::App app{"What the store makes of SQLite"};
  app.add_option("--seconds", how.seconds, "for each figure")->check(CLI::Range(0.1, 600.0));
  app.add_option("--folder", how.folder, "where the files go, in a folder of their own");
  CLI11_PARSE(app, argc, argv);
  how.folder /= "troupe-bench-store";

  measure_raw(how, "rows", 1);
  measure_store(how, "rows", 1, append_row);
  measure_raw(how, "rows", batch_rows);
  measure_store(how, "rows", batch_rows, append_row);
  measure_store(how, "created", batch_rows, create);
  measure_store(how, "created_or_finished", batch_rows, create_or_finish);
  measure_store(how, "blobs_6000_bytes", batch_rows, add_blob);
  std::filesystem::remove_all(how.folder);
}
