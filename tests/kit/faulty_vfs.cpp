#include "tests/kit/faulty_vfs_parts.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace troupe::testkit {
namespace {

// Pages of an image that survive the crash, pushed through any handle that is still open.
void keep(disk_image& image, crash_loss loss, std::mt19937_64& coin) {
  if (image.open.empty() || loss == crash_loss::all)
    return;
  auto& f = **image.open.begin();
  auto grown = std::max<std::int64_t>(image.size - image.real_size, 0);
  auto cut = image.real_size + static_cast<std::int64_t>(coin() % static_cast<std::uint64_t>(grown + 1));
  for (const auto& [no, content] : image.dirty) {
    auto whole = std::min(page_size, image.size - no * page_size);
    if (loss == crash_loss::some && coin() % 2 == 0)
      push(f, no, content, whole);
    if (loss == crash_loss::tail && no * page_size < cut)
      push(f, no, content, std::min(whole, cut - no * page_size));
    if (loss != crash_loss::torn)
      continue;
    auto end = image.last_offset + image.last_bytes / 2;
    auto first = image.last_offset / page_size;
    if (no >= first && no * page_size < end)
      push(f, no, content, std::min(whole, end - no * page_size));
  }
}

} // namespace

// With the lock held.
void faulty_vfs::impl::crash(crash_loss loss, std::uint64_t seed) {
  std::mt19937_64 coin{seed};
  for (auto& [path, image] : images) {
    keep(image, loss, coin);
    image.dirty.clear();
    image.forgotten.clear();
    image.size = image.real_size;
    image.valid = image.real_size;
  }
  ++life;
}
faulty_vfs::faulty_vfs(std::string name) : impl_(std::make_unique<impl>()) {
  impl_->name = std::move(name);
  impl_->real = sqlite3_vfs_find(nullptr);
  if (sqlite3_vfs_find(impl_->name.c_str()) != nullptr)
    throw std::logic_error("there is a VFS named " + impl_->name);
  // Whatever is not about files (time, randomness, paths) stays the real one's.
  impl_->shim = *impl_->real;
  impl_->shim.pNext = nullptr;
  impl_->shim.zName = impl_->name.c_str();
  impl_->shim.pAppData = impl_.get();
  put_shim(impl_->shim);
  sqlite3_vfs_register(&impl_->shim, 0);
}

faulty_vfs::~faulty_vfs() {
  sqlite3_vfs_unregister(&impl_->shim);
}

const std::string& faulty_vfs::name() const noexcept {
  return impl_->name;
}

void faulty_vfs::crash(crash_loss loss, std::uint64_t seed) {
  std::lock_guard lock{impl_->mutex};
  impl_->crash(loss, seed);
}

void faulty_vfs::crash_at(std::uint64_t nth, crash_loss loss, std::uint64_t seed) {
  std::lock_guard lock{impl_->mutex};
  impl_->crash_at = impl_->operations + nth + 1;
  impl_->crash_how = loss;
  impl_->crash_seed = seed;
}

void faulty_vfs::fail_writes(disk_fault how, std::uint64_t after) {
  std::lock_guard lock{impl_->mutex};
  impl_->write_faults = {how, after};
}

void faulty_vfs::fail_syncs(disk_fault how, std::uint64_t after) {
  std::lock_guard lock{impl_->mutex};
  impl_->sync_faults = {how, after};
}

void faulty_vfs::limit(std::uint64_t bytes) {
  std::lock_guard lock{impl_->mutex};
  impl_->bytes_max = bytes;
}

void faulty_vfs::heal() {
  std::lock_guard lock{impl_->mutex};
  impl_->write_faults = {};
  impl_->sync_faults = {};
  impl_->bytes_max = 0;
}

void faulty_vfs::before_sync(std::function<void()> what) {
  std::lock_guard lock{impl_->mutex};
  impl_->before_sync = std::move(what);
}

std::uint64_t faulty_vfs::crashes() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->life;
}

std::uint64_t faulty_vfs::syncs() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->syncs;
}

std::uint64_t faulty_vfs::writes() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->writes;
}

std::uint64_t faulty_vfs::operations() const {
  std::lock_guard lock{impl_->mutex};
  return impl_->operations;
}

std::uint64_t faulty_vfs::unsynced_bytes() const {
  std::lock_guard lock{impl_->mutex};
  std::uint64_t n = 0;
  for (const auto& [path, image] : impl_->images)
    n += (image.dirty.size() + image.forgotten.size()) * page_size;
  return n;
}

} // namespace troupe::testkit
