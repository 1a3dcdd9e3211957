#include "runtime/store/memory_image.hpp"
#include "runtime/store/references.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace troupe::store {

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
  return it == states.end() ? std::nullopt : std::optional{it->second.body};
}

result<std::vector<old_state>> memory_store::old_states(std::string_view agent, utc_time before,
                                                        const old_state& last,
                                                        std::uint32_t limit) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<old_state> out;
  auto after = std::pair{last.saved, std::string_view{last.key}};
  for (const auto& [_, s] : disk_->image_->states)
    if (s.agent == agent && s.saved < before
        && std::pair{s.saved, std::string_view{s.key}} > after)
      out.push_back({s.saved, s.key});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.saved, a.key) < std::tie(b.saved, b.key);
  });
  out.resize(std::min<std::size_t>(out.size(), limit));
  return out;
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
                     r.deadline, r.parent, r.parent_effect, r.run});
  }
  return out;
}

result<std::vector<invocation_no>>
memory_store::finished_before(utc_time t, utc_time keyed, std::uint32_t limit) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<std::pair<utc_time, invocation_no>> found;
  for (const auto& [no, r] : disk_->image_->records)
    if (!is_open(r.state) && r.updated < t
        && (r.updated < keyed || r.parent != 0 || r.idempotency_key.empty()))
      found.emplace_back(r.updated, no);
  std::sort(found.begin(), found.end());
  std::vector<invocation_no> out;
  for (const auto& [when, no] : found)
    if (out.size() < limit)
      out.push_back(no);
  return out;
}

result<std::optional<claim>> memory_store::find_claim(const claim_key& what) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  const auto& claims = disk_->image_->claims;
  auto it = claims.find(what);
  return it == claims.end() ? std::nullopt : std::optional{it->second};
}

result<claim_count> memory_store::count_claims(utc_time now) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  claim_count n{disk_->image_->claims.size(), 0};
  for (const auto& [_, c] : disk_->image_->claims)
    n.expired += c.expires < now ? 1U : 0U;
  return n;
}

result<std::vector<letter>> memory_store::letters(lsn before, std::uint32_t limit) {
  std::lock_guard lock{disk_->mutex_};
  if (auto ok = alive(); !ok)
    return ok.error();
  std::vector<letter> out;
  const auto& all = disk_->image_->letters;
  for (auto it = all.rbegin(); it != all.rend() && out.size() < std::min(limit, list_max); ++it)
    if (before == 0 || it->first < before)
      out.push_back(it->second);
  return out;
}

result<void> memory_store::backup(const std::string&) {
  return error{errc::invalid_input, "a store in memory has no file to copy"};
}

} // namespace troupe::store
