#pragma once
// A disk that fails, for the store of a stage: in memory, or under SQLite.
//
// What a runtime promises about disks is only seen where disks break their promises. A faulty disk
// refuses writes, fails syncs, fills up, takes its time, flips bits, and loses with the power what
// was not synced: as often as its options say, decided by a seed.
//
//   kit::world world;
//   auto disk = kit::faulty_disk::under(world, {.seed = seed, .sync_error = 0.1});
//   { kit::stage aut{world, cast()}; ... }   // one life of the process
//   disk->heal();
//   { kit::stage aut{world, cast()}; ... }   // the next one finds what was durable
//
// Lifecycle: survives crashes, like the world, which holds it. Not thread-safe: a stage has one
// thread. On SQLite the files lie in a folder of their own, which goes with the disk.

#include "tests/kit/faulty_vfs.hpp"
#include "tests/kit/world.hpp"

#include <filesystem>
#include <optional>
#include <random>

namespace troupe::kit {

enum class disk_kind : std::uint8_t {
  memory, ///< a hundred times faster; a commit is whole or not there
  sqlite, ///< the real store: pages, a log, a file that can be cut anywhere
};

/// How often what goes wrong: parts of all commits, from 0 to 1, drawn one by one.
struct disk_faults {
  std::uint64_t seed = 1;
  double write_error = 0; ///< nothing is written, and the commit says so
  double sync_error = 0;  ///< it says so too; but after a crash the commit may be there
  double stall = 0;       ///< it takes `stall_for`, in virtual time, while all others go on
  std::chrono::milliseconds stall_for{2'000};
  double crash = 0;       ///< the power goes in the middle of it
  /// What the power takes of the writes that were not synced. In memory: the whole commit.
  testkit::crash_loss loss = testkit::crash_loss::torn;
  std::uint64_t bytes_max = 0; ///< the disk's size; 0: no bound
};

/// What has gone wrong so far.
struct disk_counts {
  std::uint64_t commits = 0; ///< that were asked for
  std::uint64_t write_errors = 0;
  std::uint64_t sync_errors = 0;
  std::uint64_t stalls = 0;
  std::uint64_t crashes = 0;
  std::uint64_t full = 0;
  std::uint64_t returned = 0; ///< commits that were said to have failed, found after a crash
};

class faulty_disk final : public stage_storage {
public:
  /// A disk for the stores of all stages on `w`, which must be alive as long.
  static std::shared_ptr<faulty_disk> under(world& w, disk_faults faults,
                                            disk_kind kind = disk_kind::memory);
  ~faulty_disk() override;

  /// Other faults from now on. The seed goes on where it is.
  void set(disk_faults next);
  /// No more faults; what is damaged stays so.
  void heal();
  /// Flips one bit of an invocation's row `nth`, in memory only. @returns which one
  std::size_t flip_bit(store::invocation_no no, std::size_t nth);
  /// Cuts so many bytes from the end of SQLite's log, between two lives. @returns how many it had
  std::uint64_t cut_log(std::uint64_t bytes);
  const disk_counts& counts() const noexcept { return counts_; }
  /// Where SQLite's file stands.
  std::filesystem::path file() const { return folder_ / "stage.db"; }

  std::unique_ptr<store::durable_store> open(random_source& chance,
                                             const time_source& clock) override;
  void power_off() override;

  /// One commit with its faults. Called by the stores that it has opened.
  result<void> commit(store::durable_store& beneath, const store::batch& b);

private:
  faulty_disk(world& w, disk_faults faults, disk_kind kind);
  bool happens(double part);
  result<void> commit_in_memory(store::durable_store& beneath, const store::batch& b);
  result<void> commit_in_sqlite(store::durable_store& beneath, const store::batch& b);
  result<void> died(std::string_view where);

  world& world_;
  disk_faults faults_;
  disk_kind kind_;
  disk_counts counts_;
  std::mt19937_64 chance_;
  std::optional<store::batch> lingering_; ///< its sync failed; a crash may keep it
  std::filesystem::path folder_;
  std::unique_ptr<testkit::faulty_vfs> vfs_;
};

} // namespace troupe::kit
