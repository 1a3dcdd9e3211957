#include "runtime/store/memory_store.hpp"

#include "runtime/store/references.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace troupe::store {

namespace {

using name_pair = std::pair<std::string, std::string>;

struct held_blob {
  std::string bytes;
  bool node = false;
  std::uint64_t refs = 0;
};

} // namespace

struct memory_disk::image {
  std::string tag;
  epoch owner = 0;
  epoch dead = 0; // owners up to this one died in a crash
  lsn last_lsn = 0;
  invocation_no last_invocation = 0;
  std::map<invocation_no, record> records;
  std::map<invocation_no, std::map<lsn, std::string>> rows;
  std::map<name_pair, invocation_no> idempotency;
  std::map<name_pair, std::string> states;
  std::unordered_map<digest, held_blob> blobs;

  // Checked as a whole before anything is applied, so that a commit is all or nothing.
  result<void> check(const batch& b) const;
  void apply(const unit& u);

private:
  void insert(const std::vector<blob>& added);
  void refer(const digest& hash);
  void release(const digest& hash);
  void change_record(record& r, const change& c);
  void trim(invocation_no no, lsn before);
  void purge(invocation_no no);
};

result<void> memory_disk::image::check(const batch& b) const {
  if (b.owner < owner)
    return error{errc::fenced, fmt::format("owner {} was replaced by owner {}", b.owner, owner)};
  std::set<lsn> seen;
  std::set<invocation_no> numbers;
  std::set<name_pair> keys;
  for (const auto& u : b.units) {
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
        && (idempotency.contains(key) || !keys.insert(std::move(key)).second))
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
    states[{u.state->agent, u.state->key}] = u.state->body;
  if (u.trim_before > 0)
    trim(u.invocation, u.trim_before);
  for (auto no : u.purge)
    purge(no);
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
    if (it == blobs.end() || (it->second.refs > 0 && --it->second.refs > 0))
      continue;
    if (it->second.node)
      for (const auto& child : children_of(it->second.bytes))
        pending.push_back(child);
    blobs.erase(it);
  }
}

void memory_disk::image::change_record(record& r, const change& c) {
  r.state = c.state;
  r.wake_at = c.wake_at;
  r.updated = c.updated;
  r.run = c.run;
  r.generation = c.generation;
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

memory_store::memory_store(std::shared_ptr<memory_disk> disk, std::uint64_t tag_seed)
  : disk_(std::move(disk)) {
  std::lock_guard lock{disk_->mutex_};
  auto& image = *disk_->image_;
  if (image.tag.empty())
    image.tag = make_tag(tag_seed);
  tag_ = image.tag;
  owner_ = ++image.owner;
}

memory_store::~memory_store() = default;

// With the disk's lock held.
result<void> memory_store::alive() const {
  if (owner_ <= disk_->image_->dead)
    return error{errc::store_failed, "the simulated machine has crashed"};
  return {};
}

lsn memory_store::last_lsn() const {
  std::lock_guard lock{disk_->mutex_};
  return disk_->image_->last_lsn;
}

invocation_no memory_store::last_invocation() const {
  std::lock_guard lock{disk_->mutex_};
  return disk_->image_->last_invocation;
}

result<void> memory_store::commit(const batch& b) {
  {
    std::lock_guard lock{disk_->mutex_};
    if (auto ok = alive(); !ok)
      return ok;
  }
  auto first = disk_->decide(boundary::before_write);
  auto second = first == fault::none ? disk_->decide(boundary::before_sync) : first;
  auto third = second == fault::none ? disk_->decide(boundary::before_ack) : second;
  std::lock_guard lock{disk_->mutex_};
  auto& image = *disk_->image_;
  if (auto ok = alive(); !ok) // the plan may have crashed the disk by itself
    return ok;
  if (auto ok = image.check(b); !ok)
    return ok;
  if (third == fault::fail)
    return error{errc::store_failed, "simulated failure of a commit"};
  if (second == fault::none) { // neither of the boundaries before durability stopped it
    for (const auto& u : b.units)
      image.apply(u);
    ++disk_->commits_;
  }
  if (third == fault::crash) {
    image.dead = image.owner;
    return error{errc::store_failed, "simulated crash in a commit"};
  }
  return {};
}

result<std::optional<record>> memory_store::find(invocation_no no) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  const auto& records = disk_->image_->records;
  auto it = records.find(no);
  return it == records.end() ? std::nullopt : std::optional{it->second};
}

result<std::optional<record>> memory_store::find(std::string_view agent,
                                                 std::string_view idempotency_key) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  const auto& image = *disk_->image_;
  auto it = image.idempotency.find({std::string{agent}, std::string{idempotency_key}});
  return it == image.idempotency.end() ? std::nullopt
                                       : std::optional{image.records.at(it->second)};
}

result<std::vector<record>> memory_store::list(const filter& f) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<record> out;
  const auto& records = disk_->image_->records;
  auto limit = std::min(f.limit, list_max);
  for (auto it = records.rbegin(); it != records.rend() && out.size() < limit; ++it) {
    const auto& r = it->second;
    if ((f.before == 0 || r.no < f.before) && (f.agent.empty() || r.agent == f.agent)
        && (!f.state || r.state == *f.state) && (!f.open_only || is_open(r.state))
        && r.created >= f.since)
      out.push_back(r);
  }
  return out;
}

result<std::vector<stored_row>> memory_store::load(invocation_no no) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<stored_row> out;
  const auto& rows = disk_->image_->rows;
  if (auto it = rows.find(no); it != rows.end())
    for (const auto& [at, bytes] : it->second)
      out.push_back({at, bytes});
  return out;
}

result<std::string> memory_store::load_blob(const digest& hash) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  const auto& blobs = disk_->image_->blobs;
  auto it = blobs.find(hash);
  if (it == blobs.end())
    return error{errc::not_found, fmt::format("no blob {}", to_hex(hash))};
  return it->second.bytes;
}

result<std::optional<std::string>> memory_store::load_state(std::string_view agent,
                                                            std::string_view key) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  const auto& states = disk_->image_->states;
  auto it = states.find({std::string{agent}, std::string{key}});
  return it == states.end() ? std::nullopt : std::optional{it->second};
}

result<std::vector<open_entry>> memory_store::open_after(invocation_no after,
                                                         std::uint32_t limit) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<open_entry> out;
  const auto& records = disk_->image_->records;
  for (auto it = records.upper_bound(after); it != records.end() && out.size() < limit; ++it) {
    const auto& r = it->second;
    if (is_open(r.state))
      out.push_back({r.no, r.agent, r.key, r.idempotency_key, r.input_hash, r.state, r.wake_at,
                     r.deadline, r.parent, r.parent_effect});
  }
  return out;
}

result<std::vector<invocation_no>> memory_store::finished_before(utc_time t,
                                                                 std::uint32_t limit) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<std::pair<utc_time, invocation_no>> found;
  for (const auto& [no, r] : disk_->image_->records)
    if (!is_open(r.state) && r.updated < t)
      found.emplace_back(r.updated, no);
  std::sort(found.begin(), found.end());
  std::vector<invocation_no> out;
  for (const auto& [when, no] : found)
    if (out.size() < limit)
      out.push_back(no);
  return out;
}

result<void> memory_store::backup(const std::string&) {
  return error{errc::invalid_input, "a store in memory has no file to copy"};
}

} // namespace troupe::store
