#pragma once
// A store in memory whose disk can fail: for tests and simulations.
//
// What a crash leaves behind is the point of a durable store, so the "disk" is an object of its
// own that outlives the store on it. A plan decides at every durable boundary of every commit
// whether it succeeds, fails, or the machine dies there.
//
// @code
// auto disk = std::make_shared<memory_disk>();
// disk->plan([](boundary b, std::uint64_t nth) {
//   return b == boundary::before_ack && nth == 5 ? fault::crash : fault::none;
// });
// { memory_store first{disk, seed}; ... }   // dies at its sixth boundary
// memory_store second{disk, seed};           // finds what was durable; the first one is fenced
// @endcode
//
// Threads: as durable_store; the plan is called on the committing thread, without any lock held.

#include "runtime/store/store.hpp"

#include <functional>
#include <mutex>

namespace troupe::store {

/// The moments of a commit at which a machine can die.
enum class boundary : std::uint8_t {
  before_write, ///< nothing was written
  before_sync,  ///< all was written, nothing is durable
  before_ack,   ///< all is durable, and nobody knows yet
};

/// What happens there.
enum class fault : std::uint8_t {
  none,
  fail,  ///< the commit returns `errc::store_failed`, nothing persists, later ones may work
  crash, ///< the machine dies: every call fails until a new store is opened on the disk
};

/// What survives. Shared by the stores that are opened on it, one after another.
class memory_disk {
public:
  /// @param nth number of this boundary over all commits of this disk, from 0
  using fault_plan = std::function<fault(boundary, std::uint64_t nth)>;

  memory_disk();
  ~memory_disk();
  memory_disk(const memory_disk&) = delete;
  memory_disk& operator=(const memory_disk&) = delete;

  /// Replaces the plan; an empty one lets everything succeed.
  void plan(fault_plan next);

  /// The machine dies now, between two commits.
  void crash();
  bool crashed() const;

  /// Commits that became durable, empty ones included.
  std::uint64_t commits() const;
  /// Boundaries passed: a sweep crashes at each number below this one.
  std::uint64_t boundaries() const;
  /// Blobs and rows held, so that a test sees what a purge leaves.
  std::size_t blobs() const;
  std::size_t rows() const;
  /// Bytes of all rows and blobs.
  std::size_t bytes() const;

  /// Flips one bit of an invocation's row `nth`: what a bad disk does.
  void flip_bit(invocation_no no, std::size_t nth, std::size_t bit);

  /// A disk of its own with the same content, without plan and counts.
  std::shared_ptr<memory_disk> clone() const;

private:
  friend class memory_store;
  struct image;

  fault decide(boundary b);

  mutable std::mutex mutex_;
  std::unique_ptr<image> image_;
  fault_plan plan_;
  std::uint64_t commits_ = 0;
  std::uint64_t boundaries_ = 0;
};

/// The store on such a disk. Opening it takes the disk over from the one before.
class memory_store final : public durable_store {
public:
  /// @param tag_seed gives a new disk its tag
  memory_store(std::shared_ptr<memory_disk> disk, std::uint64_t tag_seed);
  ~memory_store() override;

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
  /// Always `errc::invalid_input`: there is no file; see `memory_disk::clone`.
  result<void> backup(const std::string& file) override;

private:
  result<void> alive() const;

  std::shared_ptr<memory_disk> disk_;
  std::string tag_;
  epoch owner_ = 0;
};

} // namespace troupe::store
