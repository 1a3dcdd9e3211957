#include "tests/kit/faulty_disk.hpp"

#include "runtime/store/sqlite_store.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace troupe::kit {
namespace {

using store::batch;

// Operations of SQLite in one small commit, and a few more: where within it the power goes.
constexpr std::uint64_t operations_of_commit = 8;

// An operation that no test gets to: the power stays on.
constexpr std::uint64_t no_crash = 1'000'000'000;

std::uint64_t bytes_of(const batch& b) {
  std::uint64_t n = 0;
  for (const auto& u : b.units) {
    n += u.row.size() + (u.state ? u.state->body.size() : 0);
    for (const auto& blob : u.blobs)
      n += blob.bytes.size();
  }
  return n;
}

error io_error(std::string_view what) {
  return error{errc::store_failed, fmt::format("simulated disk: {}", what)};
}

// All goes through to the store beneath; only commits ask the disk.
class store_on_disk final : public store::durable_store {
public:
  store_on_disk(std::unique_ptr<store::durable_store> beneath, faulty_disk& disk)
    : beneath_(std::move(beneath)), disk_(disk) {}

  std::string_view tag() const override { return beneath_->tag(); }
  store::epoch owner() const override { return beneath_->owner(); }
  store::lsn last_lsn() const override { return beneath_->last_lsn(); }
  store::invocation_no last_invocation() const override { return beneath_->last_invocation(); }
  result<void> commit(const batch& b) override { return disk_.commit(*beneath_, b); }
  result<std::optional<store::record>> find(store::invocation_no no) override {
    return beneath_->find(no);
  }
  result<std::optional<store::record>> find(std::string_view agent,
                                            std::string_view key) override {
    return beneath_->find(agent, key);
  }
  result<std::vector<store::record>> list(const store::filter& f) override {
    return beneath_->list(f);
  }
  result<std::vector<store::stored_row>> load(store::invocation_no no) override {
    return beneath_->load(no);
  }
  result<std::string> load_blob(const digest& hash) override { return beneath_->load_blob(hash); }
  result<std::optional<std::string>> load_state(std::string_view agent,
                                                std::string_view key) override {
    return beneath_->load_state(agent, key);
  }
  result<std::vector<store::old_state>> old_states(std::string_view agent, utc_time before,
                                                   const store::old_state& last,
                                                   std::uint32_t limit) override {
    return beneath_->old_states(agent, before, last, limit);
  }
  result<std::vector<store::open_entry>> open_after(store::invocation_no after,
                                                    std::uint32_t limit) override {
    return beneath_->open_after(after, limit);
  }
  result<std::vector<store::invocation_no>> finished_before(utc_time t, utc_time keyed,
                                                            std::uint32_t limit) override {
    return beneath_->finished_before(t, keyed, limit);
  }
  result<std::optional<store::claim>> find_claim(const store::claim_key& what) override {
    return beneath_->find_claim(what);
  }
  result<store::claim_count> count_claims(utc_time now) override {
    return beneath_->count_claims(now);
  }
  result<std::vector<store::letter>> letters(store::lsn before, std::uint32_t limit) override {
    return beneath_->letters(before, limit);
  }
  result<void> backup(const std::string& file) override { return beneath_->backup(file); }

private:
  std::unique_ptr<store::durable_store> beneath_;
  faulty_disk& disk_;
};

} // namespace

std::shared_ptr<faulty_disk> faulty_disk::under(world& w, disk_faults faults, disk_kind kind) {
  auto disk = std::shared_ptr<faulty_disk>(new faulty_disk{w, faults, kind});
  w.storage = disk;
  return disk;
}

faulty_disk::faulty_disk(world& w, disk_faults faults, disk_kind kind)
  : world_(w), faults_(faults), kind_(kind), chance_(faults.seed) {
  if (kind == disk_kind::memory)
    return;
  static std::atomic<std::uint64_t> number{0};
  auto pattern = (std::filesystem::temp_directory_path() / "troupe-disk-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::runtime_error("no folder for a simulated disk");
  folder_ = pattern;
  vfs_ = std::make_unique<testkit::faulty_vfs>(fmt::format("stage-disk-{}", ++number));
  vfs_->limit(faults.bytes_max);
}

faulty_disk::~faulty_disk() {
  std::error_code ignored;
  if (!folder_.empty())
    std::filesystem::remove_all(folder_, ignored);
}

void faulty_disk::set(disk_faults next) {
  faults_ = next;
  if (!vfs_)
    return;
  vfs_->limit(next.bytes_max);
  vfs_->crash_at(no_crash);
}

void faulty_disk::heal() {
  set({});
}

std::size_t faulty_disk::flip_bit(store::invocation_no no, std::size_t nth) {
  auto bit = chance_() % 1'000;
  world_.disk->flip_bit(no, nth, bit);
  return bit;
}

std::uint64_t faulty_disk::cut_log(std::uint64_t bytes) {
  auto log = file();
  log += "-wal";
  std::error_code none;
  auto size = std::filesystem::file_size(log, none);
  if (none)
    return 0;
  std::filesystem::resize_file(log, size - std::min<std::uintmax_t>(size, bytes));
  return size;
}

std::unique_ptr<store::durable_store> faulty_disk::open(random_source& chance,
                                                        const time_source& clock) {
  if (kind_ == disk_kind::sqlite) {
    store::sqlite_options o;
    o.path = file();
    o.vfs = vfs_->name();
    o.checkpoint_thread = false; // a stage has one thread
    auto opened = store::sqlite_store::open(std::move(o), chance, clock);
    if (!opened)
      throw std::runtime_error(opened.error().message);
    return std::make_unique<store_on_disk>(std::move(*opened), *this);
  }
  auto opened = std::make_unique<store::memory_store>(world_.disk, 1);
  // A sync that failed says nothing about what the disk has: the commit is there, or it is not.
  if (auto late = std::exchange(lingering_, std::nullopt); late && happens(0.5)) {
    late->owner = opened->owner();
    if (opened->commit(*late))
      ++counts_.returned;
  }
  return std::make_unique<store_on_disk>(std::move(opened), *this);
}

void faulty_disk::power_off() {
  if (!vfs_)
    return;
  vfs_->crash(faults_.loss, chance_());
  vfs_->crash_at(no_crash); // a crash that is due would meet the next life at its start
}

bool faulty_disk::happens(double part) {
  return part > 0 && static_cast<double>(chance_() >> 11U) * 0x1.0p-53 < part;
}

result<void> faulty_disk::died(std::string_view where) {
  ++counts_.crashes;
  world_.crashed = true;
  return io_error(fmt::format("the power went {}", where));
}

result<void> faulty_disk::commit(store::durable_store& beneath, const batch& b) {
  ++counts_.commits;
  if (happens(faults_.stall) && world_.stall) {
    ++counts_.stalls;
    world_.stall(faults_.stall_for);
  }
  if (world_.crashed)
    return io_error("the power is off");
  return kind_ == disk_kind::memory ? commit_in_memory(beneath, b) : commit_in_sqlite(beneath, b);
}

result<void> faulty_disk::commit_in_memory(store::durable_store& beneath, const batch& b) {
  if (happens(faults_.write_error)) {
    ++counts_.write_errors;
    return io_error("the write failed");
  }
  if (faults_.bytes_max != 0 && world_.disk->bytes() + bytes_of(b) > faults_.bytes_max) {
    ++counts_.full;
    return io_error("no room left on the disk");
  }
  if (happens(faults_.sync_error)) {
    ++counts_.sync_errors;
    if (!b.units.empty() && !lingering_)
      lingering_ = b;
    return io_error("the sync failed");
  }
  bool dies = happens(faults_.crash);
  if (dies && happens(0.5))
    return died("before a sync");
  auto done = beneath.commit(b);
  if (done)
    lingering_.reset(); // written over
  if (dies)
    return died("before an acknowledgement");
  return done;
}

result<void> faulty_disk::commit_in_sqlite(store::durable_store& beneath, const batch& b) {
  if (world_.at_boundary(store::boundary::before_write) != store::fault::none) {
    vfs_->crash(faults_.loss, chance_());
    return died("before a write");
  }
  auto before = vfs_->crashes();
  bool write_error = happens(faults_.write_error);
  bool sync_error = !write_error && happens(faults_.sync_error);
  if (write_error)
    vfs_->fail_writes(testkit::disk_fault::io_error);
  if (sync_error)
    vfs_->fail_syncs(testkit::disk_fault::io_error);
  if (happens(faults_.crash))
    vfs_->crash_at(chance_() % operations_of_commit, faults_.loss, chance_());
  auto done = beneath.commit(b);
  vfs_->fail_writes(testkit::disk_fault::none);
  vfs_->fail_syncs(testkit::disk_fault::none);
  counts_.write_errors += write_error ? 1 : 0;
  counts_.sync_errors += sync_error ? 1 : 0;
  if (vfs_->crashes() != before)
    return died("within a commit");
  if (!done && done.error().message.find("no room") != std::string::npos)
    ++counts_.full;
  if (world_.at_boundary(store::boundary::before_ack) != store::fault::none) {
    vfs_->crash(faults_.loss, chance_());
    return died("before an acknowledgement");
  }
  return done;
}

} // namespace troupe::kit
