#pragma once
// The store in one SQLite file: the default.
//
// An agent's work must survive a crash without asking anybody to run a database server. One file
// does that, and here it costs 0.1 ms a commit: see README.md for the tables, the figures and why.
//
// Opening takes the store over: it creates or migrates the tables and raises the epoch, which
// fences every owner before. `commit` then fails with
// - `fenced`       a newer owner has come; nothing that this one does can become durable again
// - `store_failed` disk full, I/O error: nothing of the batch is kept, a later commit may work
// - `conflict`     the batch repeats a number or an idempotency key: a bug of the caller
// - `corrupted`    the file is damaged where the commit had to look
//
// Threads: `commit` on one at a time, the reading methods and `backup` on any others.

#include "runtime/store/store.hpp"
#include "runtime/store/store_options.hpp"

#include <chrono>
#include <filesystem>

namespace troupe::store {

struct sqlite_options {
  // Behaviour
  /// The file. It and missing directories are made, readable for their owner alone.
  std::filesystem::path path;
  store_sync synchronous = store_sync::full;
  /// Take the store over although another process holds it. That one is fenced.
  bool steal = false;
  /// Tag of a new store; empty: drawn.
  std::string tag{};
  /// How long to wait while another process (a backup tool, an `sqlite3` shell) locks the file.
  std::chrono::milliseconds busy_timeout{5'000};
  /// Name of a registered SQLite VFS; empty: the operating system's. For tests of crashes.
  std::string vfs{};

  // Performance
  /// Page cache of the writing connection: the tails of the tables and what is hot in the indexes.
  int cache_kib = 8'192;
  /// Move the log into the database on a thread of its own. Off, commits pause for it.
  bool checkpoint_thread = true;
  /// Pages (4 KiB) in the log at which the writer finishes that, so that it can begin anew: 16 MiB.
  int log_pages_max = 4'000;
};

class file_lock;
class writer;
class reader;
class checkpointer;

class sqlite_store final : public durable_store {
public:
  /// Opens or creates it.
  /// @returns `errc::unavailable` naming the process that has it open; `errc::conflict` for a store
  ///          of a newer troupe or another program's database; `errc::corrupted`;
  ///          `errc::store_failed`
  static result<std::unique_ptr<durable_store>> open(sqlite_options options, random_source& chance,
                                                     const time_source& clock);
  ~sqlite_store() override;

  std::string_view tag() const override { return tag_; }
  epoch owner() const override { return owner_; }
  lsn last_lsn() const override;
  invocation_no last_invocation() const override;
  result<void> commit(const batch& b) override;
  result<std::optional<record>> find(invocation_no no) override;
  result<std::optional<record>> find(std::string_view agent,
                                     std::string_view idempotency_key) override;
  result<std::vector<record>> list(const filter& f) override;
  result<std::vector<stored_row>> load(invocation_no no) override;
  result<std::string> load_blob(const digest& hash) override;
  result<std::optional<std::string>> load_state(std::string_view agent,
                                                std::string_view key) override;
  result<std::vector<old_state>> old_states(std::string_view agent, utc_time before,
                                            const old_state& last, std::uint32_t limit) override;
  result<std::vector<open_entry>> open_after(invocation_no after, std::uint32_t limit) override;
  result<std::vector<invocation_no>> finished_before(utc_time t, utc_time keyed,
                                                     std::uint32_t limit) override;
  result<std::optional<claim>> find_claim(const claim_key& what) override;
  result<claim_count> count_claims(utc_time now) override;
  result<std::vector<letter>> letters(lsn before, std::uint32_t limit) override;
  result<void> backup(const std::string& file) override;

private:
  explicit sqlite_store(sqlite_options options);

  result<void> start(random_source& chance, const time_source& clock);

  sqlite_options options_;
  std::string tag_;
  epoch owner_ = 0;
  // The lock goes last, when no connection is left.
  std::unique_ptr<file_lock> lock_;
  std::unique_ptr<writer> writer_;
  std::unique_ptr<reader> reader_;
  std::unique_ptr<checkpointer> checkpointer_;
};

} // namespace troupe::store
