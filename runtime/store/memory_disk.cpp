#include "runtime/core/planted.hpp"
#include "runtime/store/memory_image.hpp"
#include "runtime/store/references.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace troupe::store {

result<void> memory_disk::image::check(const batch& b) const {
  if (b.owner < owner && !planted(planted_bug::older_owner_accepted))
    return error{errc::fenced, fmt::format("owner {} was replaced by owner {}", b.owner, owner)};
  std::set<lsn> seen;
  std::set<invocation_no> numbers;
  std::set<name_pair> keys;
  std::set<name_pair> dropped;
  for (const auto& u : b.units) {
    if (auto it = records.find(u.invocation);
        u.changed && u.changed->drops_key && it != records.end())
      dropped.insert({it->second.agent, it->second.idempotency_key});
    if (!u.row.empty()) {
      auto it = rows.find(u.invocation);
      if ((it != rows.end() && it->second.contains(u.at)) || !seen.insert(u.at).second)
        return error{errc::conflict, fmt::format("journal row {} exists", u.at)};
    }
    if (!u.created)
      continue;
    const auto& r = *u.created;
    if (records.contains(r.no) || !numbers.insert(r.no).second)
      return error{errc::conflict, fmt::format("invocation {} exists", r.no)};
    name_pair key{r.agent, r.idempotency_key};
    if (!r.idempotency_key.empty()
        && ((idempotency.contains(key) && !dropped.contains(key))
            || !keys.insert(std::move(key)).second))
      return error{errc::conflict, "the idempotency key is taken"};
  }
  return {};
}

void memory_disk::image::apply(const unit& u) {
  if (!u.row.empty()) {
    rows[u.invocation].emplace(u.at, u.row);
    last_lsn = std::max(last_lsn, u.at);
  }
  if (u.created) {
    records.emplace(u.created->no, *u.created);
    last_invocation = std::max(last_invocation, u.created->no);
    if (!u.created->idempotency_key.empty())
      idempotency.emplace(name_pair{u.created->agent, u.created->idempotency_key}, u.created->no);
  }
  if (u.changed)
    if (auto it = records.find(u.invocation); it != records.end())
      change_record(it->second, *u.changed);
  insert(u.blobs);
  for (const auto& hash : u.references)
    refer(hash);
  if (u.state)
    states[{u.state->agent, u.state->key}] = *u.state;
  if (u.trim_before > 0)
    trim(u.invocation, u.trim_before);
  for (auto no : u.purge)
    purge(no);
  if (u.beside)
    write_aside(u);
}

void memory_disk::image::insert(const std::vector<blob>& added) {
  std::vector<digest> children;
  for (const auto& b : added) {
    if (!blobs.try_emplace(b.hash, held_blob{b.bytes, b.node, 0}).second || !b.node)
      continue;
    for (const auto& child : children_of(b.bytes))
      children.push_back(child);
  }
  for (const auto& child : children)
    refer(child);
}

void memory_disk::image::refer(const digest& hash) {
  if (auto it = blobs.find(hash); it != blobs.end())
    ++it->second.refs;
}

void memory_disk::image::release(const digest& hash) {
  std::vector<digest> pending{hash};
  while (!pending.empty()) {
    auto it = blobs.find(pending.back());
    pending.pop_back();
    if (it == blobs.end())
      continue;
    if (it->second.refs > 0 && --it->second.refs > 0
        && !planted(planted_bug::blob_dropped_early))
      continue;
    if (it->second.node)
      for (const auto& child : children_of(it->second.bytes))
        pending.push_back(child);
    blobs.erase(it);
  }
}

void memory_disk::image::change_record(record& r, const change& c) {
  if (c.run == journal::outside && !is_open(r.state) && !c.drops_key)
    return;
  r.state = c.state;
  r.wake_at = c.wake_at;
  r.updated = c.updated;
  if (c.run != journal::outside)
    r.run = c.run;
  if (c.generation != journal::outside)
    r.generation = c.generation;
  if (c.drops_deadline)
    r.deadline = never;
  if (c.drops_key) {
    idempotency.erase({r.agent, r.idempotency_key});
    r.idempotency_key.clear();
  }
}

void memory_disk::image::trim(invocation_no no, lsn before) {
  auto it = rows.find(no);
  if (it == rows.end() || it->second.empty())
    return;
  auto& own = it->second;
  for (auto at = std::next(own.begin()); at != own.end() && at->first < before;) {
    for (const auto& hash : references_of(at->first, no, at->second))
      release(hash);
    at = own.erase(at);
  }
}

void memory_disk::image::purge(invocation_no no) {
  if (auto it = rows.find(no); it != rows.end()) {
    for (const auto& [at, bytes] : it->second)
      for (const auto& hash : references_of(at, no, bytes))
        release(hash);
    rows.erase(it);
  }
  if (auto it = records.find(no); it != records.end()) {
    if (!it->second.idempotency_key.empty())
      idempotency.erase({it->second.agent, it->second.idempotency_key});
    records.erase(it);
  }
  drop_letters_of(no);
}

memory_disk::memory_disk() : image_(std::make_unique<image>()) {}
memory_disk::~memory_disk() = default;

void memory_disk::plan(fault_plan next) {
  std::lock_guard lock{mutex_};
  plan_ = std::move(next);
}

void memory_disk::crash() {
  std::lock_guard lock{mutex_};
  image_->dead = image_->owner;
}

bool memory_disk::crashed() const {
  std::lock_guard lock{mutex_};
  return image_->owner > 0 && image_->dead == image_->owner;
}

std::uint64_t memory_disk::commits() const {
  std::lock_guard lock{mutex_};
  return commits_;
}

std::uint64_t memory_disk::boundaries() const {
  std::lock_guard lock{mutex_};
  return boundaries_;
}

std::size_t memory_disk::blobs() const {
  std::lock_guard lock{mutex_};
  return image_->blobs.size();
}

std::size_t memory_disk::rows() const {
  std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& [no, own] : image_->rows)
    n += own.size();
  return n;
}

std::size_t memory_disk::bytes() const {
  std::lock_guard lock{mutex_};
  std::size_t n = 0;
  for (const auto& [no, own] : image_->rows)
    for (const auto& [at, row] : own)
      n += row.size();
  for (const auto& [hash, blob] : image_->blobs)
    n += blob.bytes.size();
  return n;
}

void memory_disk::flip_bit(invocation_no no, std::size_t nth, std::size_t bit) {
  std::lock_guard lock{mutex_};
  auto& bytes = std::next(image_->rows.at(no).begin(), static_cast<long>(nth))->second;
  auto& byte = bytes.at(bit / 8 % bytes.size());
  byte = static_cast<char>(byte ^ (1 << bit % 8));
}

std::shared_ptr<memory_disk> memory_disk::clone() const {
  auto out = std::make_shared<memory_disk>();
  std::lock_guard lock{mutex_};
  *out->image_ = *image_;
  return out;
}

fault memory_disk::decide(boundary b) {
  fault_plan ask;
  std::uint64_t nth = 0;
  {
    std::lock_guard lock{mutex_};
    ask = plan_;
    nth = boundaries_++;
  }
  return ask ? ask(b, nth) : fault::none;
}

} // namespace troupe::store
