#pragma once
// A disk under SQLite that forgets what was not synced.
//
// kill -9 proves nothing about fsync: the kernel keeps what a dead process wrote. This file system
// keeps every write in memory until SQLite syncs the file, and `crash` drops the rest, as a power
// cut does. It can also fail writes and syncs, and leave some of the unsynced pages behind, for a
// disk writes them in any order.
//
// @code
// faulty_vfs disk{"faulty"};
// auto store = sqlite_store::open({.path = file, .vfs = disk.name()}, chance, clock);
// ... commit ...
// disk.crash(crash_loss::all);
// store = {};                      // its files answer with I/O errors from here on
// store = sqlite_store::open(...);  // finds what was synced
// @endcode
//
// What it leaves out: names. A file that was made is there after a crash, a deleted one is gone.
// Locks and shared memory are the real ones. Thread-safe. Must outlive every connection on it.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::testkit {

/// What a crash takes of the pages (4 KiB) that were written and not synced.
enum class crash_loss : std::uint8_t {
  all,
  some, ///< each one is kept or lost by the seed's coin
  torn, ///< all but the first half of each file's last write
  tail, ///< what made a file longer, from a byte on that the seed draws: its length was not synced
};

/// How an operation fails.
enum class disk_fault : std::uint8_t {
  none,
  io_error, ///< a failed sync also forgets: what it should have synced never will be, as on Linux
  full,     ///< no room
};

class faulty_vfs {
public:
  /// Registers itself with SQLite under `name`, which must be free.
  explicit faulty_vfs(std::string name);
  ~faulty_vfs();
  faulty_vfs(const faulty_vfs&) = delete;
  faulty_vfs& operator=(const faulty_vfs&) = delete;

  const std::string& name() const noexcept;

  /// The power goes. Files that are open now only answer with errors; new ones find what is left.
  void crash(crash_loss loss = crash_loss::all, std::uint64_t seed = 0);

  /// The power goes at the `nth` operation from now (0: the next one): after a write has reached
  /// memory, before a sync has begun. A sweep does this for each number up to `operations`.
  void crash_at(std::uint64_t nth, crash_loss loss = crash_loss::all, std::uint64_t seed = 0);

  /// Writes fail from the `after`-th on (0: the next one), until `heal`.
  void fail_writes(disk_fault how, std::uint64_t after = 0);
  void fail_syncs(disk_fault how, std::uint64_t after = 0);
  /// Bytes that all files together may have; 0: no bound. Above it writes fail as `full` does.
  void limit(std::uint64_t bytes);
  void heal();

  /// Called before each sync, on the thread that syncs, without a lock: a disk that takes its time.
  void before_sync(std::function<void()> what);

  /// How often the power went.
  std::uint64_t crashes() const;
  /// Since the beginning.
  std::uint64_t syncs() const;
  std::uint64_t writes() const;
  /// Writes, truncations and syncs.
  std::uint64_t operations() const;
  /// Bytes that a crash would take now.
  std::uint64_t unsynced_bytes() const;

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::testkit
