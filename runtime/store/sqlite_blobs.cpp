#include "runtime/store/sqlite_blobs.hpp"

#include "runtime/store/references.hpp"

namespace troupe::store {

blob_table::blob_table(database& db)
  : raw_(db.raw()),
    find_(db.prepare("SELECT refs, node, body FROM blob WHERE hash = ?1")),
    add_(db.prepare("INSERT INTO blob(hash, refs, node, body) VALUES(?1, 0, ?2, ?3)")),
    add_body_(db.prepare("INSERT INTO blob_body(bytes) VALUES(?1)")),
    refer_(db.prepare("UPDATE blob SET refs = refs + 1 WHERE hash = ?1")),
    release_(db.prepare("UPDATE blob SET refs = refs - 1 WHERE hash = ?1")),
    body_(db.prepare("SELECT bytes FROM blob_body WHERE id = ?1")),
    drop_(db.prepare("DELETE FROM blob WHERE hash = ?1")),
    drop_body_(db.prepare("DELETE FROM blob_body WHERE id = ?1")) {}

bool blob_table::ready() const noexcept {
  return find_ && add_ && add_body_ && refer_ && release_ && body_ && drop_ && drop_body_;
}

bool blob_table::insert(const std::vector<blob>& added) {
  std::vector<digest> children;
  for (const auto& b : added) {
    {
      cursor found{find_, b.hash};
      if (found.next())
        continue;
      if (found.failed())
        return false;
    }
    if (!add_body_.run(statement::bytes{b.bytes})
        || !add_.run(b.hash, b.node, sqlite3_last_insert_rowid(raw_)))
      return false;
    if (b.node)
      for (const auto& child : children_of(b.bytes))
        children.push_back(child);
  }
  for (const auto& child : children)
    if (!refer(child))
      return false;
  return true;
}

bool blob_table::refer(const digest& hash) {
  return refer_.run(hash);
}

bool blob_table::release(const digest& hash) {
  // A chat is a chain as long as it is: a list of what is left to do, not a recursion.
  std::vector<digest> pending{hash};
  while (!pending.empty()) {
    auto next = pending.back();
    pending.pop_back();
    if (!release_one(next, pending))
      return false;
  }
  return true;
}

bool blob_table::release_one(const digest& hash, std::vector<digest>& orphans) {
  std::int64_t refs = 0;
  std::int64_t id = 0;
  bool node = false;
  {
    cursor found{find_, hash};
    if (!found.next())
      return !found.failed();
    refs = found.integer(0);
    node = found.integer(1) != 0;
    id = found.integer(2);
  }
  if (refs > 1)
    return release_.run(hash);
  if (node) {
    cursor body{body_, id};
    if (body.next())
      for (const auto& child : children_of(body.bytes(0)))
        orphans.push_back(child);
    else if (body.failed())
      return false;
  }
  return drop_.run(hash) && drop_body_.run(id);
}

} // namespace troupe::store
