#pragma once
// What the store's tests stand on: a folder that goes away, time and chance from a seed, short ways
// to write rows, and the grounds (memory, SQLite) that the contract is checked on.

#include "runtime/store/memory_store.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace troupe::store::test {

class fixed_time final : public time_source {
public:
  utc_time now() const override { return utc_time{std::chrono::seconds{1'000'000}}; }
  steady_time steady() const override { return {}; }
};

class counting_random final : public random_source {
public:
  std::uint64_t next() override { return state_ += 0x9E3779B97F4A7C15U; }

private:
  std::uint64_t state_ = 7;
};

class temporary_folder {
public:
  temporary_folder() {
    auto pattern = (std::filesystem::temp_directory_path() / "troupe-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      throw std::runtime_error("no temporary folder");
    path_ = pattern;
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::filesystem::path operator/(const char* name) const { return path_ / name; }

private:
  std::filesystem::path path_;
};

using store_ptr = std::unique_ptr<durable_store>;

inline result<store_ptr> open_sqlite(sqlite_options o) {
  static counting_random chance;
  static const fixed_time clock;
  return sqlite_store::open(std::move(o), chance, clock);
}

/// The same tests run over each ground; `open` again is a restart.
class memory_ground {
public:
  store_ptr open() { return std::make_unique<memory_store>(disk_, 42); }

private:
  std::shared_ptr<memory_disk> disk_ = std::make_shared<memory_disk>();
};

class sqlite_ground {
public:
  store_ptr open() {
    // Stealing, so that the owner before may still be there, as on the other ground.
    sqlite_options o;
    o.path = folder_ / "test.db";
    o.steal = true;
    return std::move(open_sqlite(o)).value();
  }

private:
  temporary_folder folder_;
};

/// Runs statements on a file behind the store's back.
inline void run_sql(const std::filesystem::path& file, const std::string& sql) {
  sqlite3* db = nullptr;
  sqlite3_open(file.c_str(), &db);
  char* why = nullptr;
  auto code = sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &why);
  std::string text = why == nullptr ? "" : why;
  sqlite3_free(why);
  sqlite3_close(db);
  if (code != SQLITE_OK)
    throw std::runtime_error(text);
}

inline utc_time at_second(int s) {
  return utc_time{std::chrono::seconds{s}};
}

/// A row with one note; with `d`, its detail is that blob.
inline std::string a_row(invocation_no no, const std::string& name, const digest* d = nullptr) {
  journal::row_writer w;
  journal::note n;
  n.name = name;
  if (d != nullptr) {
    n.detail.stored = true;
    n.detail.hash = *d;
  }
  w.add(journal::entry{n});
  return w.take(no, 0, 0);
}

inline unit row_unit(lsn at, invocation_no no, const std::string& name = "x") {
  unit u;
  u.at = at;
  u.invocation = no;
  u.row = a_row(no, name);
  return u;
}

inline record a_record(invocation_no no, status s = status::queued) {
  record r;
  r.no = no;
  r.agent = "triage";
  r.state = s;
  r.created = at_second(static_cast<int>(no));
  r.updated = r.created;
  return r;
}

inline unit created_unit(lsn at, const record& r) {
  auto u = row_unit(at, r.no, "created");
  u.created = r;
  return u;
}

inline blob a_blob(const std::string& bytes, bool node = false) {
  return {sha256(bytes), bytes, node};
}

inline blob a_node(const digest& before, const digest& item) {
  std::string bytes;
  for (const auto& d : {before, item})
    bytes.append(reinterpret_cast<const char*>(d.bytes.data()), d.bytes.size());
  return a_blob(bytes, true);
}

/// A unit whose row refers to `d`, with `added` blobs beside it.
inline unit referring_unit(lsn at, invocation_no no, const digest& d, std::vector<blob> added) {
  auto u = row_unit(at, no);
  u.row = a_row(no, "refers", &d);
  u.blobs = std::move(added);
  u.references.push_back(d);
  return u;
}

inline unit purge_unit(lsn at, std::vector<invocation_no> gone) {
  unit u;
  u.at = at;
  u.purge = std::move(gone);
  return u;
}

/// Commits as the store's owner.
template <class... U>
result<void> commit(durable_store& s, U... units) {
  batch b;
  b.owner = s.owner();
  (b.units.push_back(std::move(units)), ...);
  return s.commit(b);
}

} // namespace troupe::store::test
