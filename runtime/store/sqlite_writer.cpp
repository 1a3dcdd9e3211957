#include "runtime/store/sqlite_writer.hpp"

#include "runtime/store/references.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::store {

result<std::unique_ptr<writer>> writer::make(database db, const ownership& found) {
  std::unique_ptr<writer> out{new writer{std::move(db), found}};
  if (!out->ready())
    return out->db_.failure("preparing its statements");
  return out;
}

writer::writer(database db, const ownership& found)
  : db_(std::move(db)), last_lsn_(found.last_lsn), last_invocation_(found.last_invocation),
    begin_(db_.prepare("BEGIN IMMEDIATE")), commit_(db_.prepare("COMMIT")),
    epoch_(db_.prepare("SELECT value FROM meta WHERE name = 'epoch'")),
    probe_(db_.prepare("UPDATE meta SET value = value + 1 WHERE name = 'probes'")),
    append_(db_.prepare("INSERT INTO journal(lsn, inv, body) VALUES(?1, ?2, ?3)")),
    create_(db_.prepare("INSERT INTO invocation(no, agent, key, idempotency_key, input_hash, state,"
                        " wake_at, created, updated, deadline, parent, parent_effect, run,"
                        " generation) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
                        " ?13, ?14)")),
    // 4294967295 is `journal::outside`: whoever makes the change does not know the run, and whether
    // it has ended (10: `status::completed`, the first that is not open).
    change_(db_.prepare("UPDATE invocation SET state = ?1, wake_at = ?2, updated = ?3,"
                        " run = iif(?4 = 4294967295, run, ?4),"
                        " generation = iif(?5 = 4294967295, generation, ?5),"
                        " deadline = iif(?7, ?8, deadline),"
                        " idempotency_key = iif(?9, '', idempotency_key)"
                        " WHERE no = ?6 AND (?4 <> 4294967295 OR state < 10 OR ?9)")),
    state_(db_.prepare("INSERT INTO agent_state(agent, key, body, saved) VALUES(?1, ?2, ?3, ?4)"
                       " ON CONFLICT(agent, key) DO UPDATE SET body = excluded.body,"
                       " saved = excluded.saved")),
    forget_state_(db_.prepare("DELETE FROM agent_state WHERE agent = ?1 AND key = ?2"
                              " AND saved < ?3")),
    old_rows_(db_.prepare("SELECT lsn, body FROM journal WHERE inv = ?1 AND lsn < ?2 AND lsn >"
                          " (SELECT min(lsn) FROM journal WHERE inv = ?1)")),
    drop_old_rows_(db_.prepare("DELETE FROM journal WHERE inv = ?1 AND lsn < ?2 AND lsn >"
                               " (SELECT min(lsn) FROM journal WHERE inv = ?1)")),
    all_rows_(db_.prepare("SELECT lsn, body FROM journal WHERE inv = ?1")),
    drop_rows_(db_.prepare("DELETE FROM journal WHERE inv = ?1")),
    drop_record_(db_.prepare("DELETE FROM invocation WHERE no = ?1")),
    mark_(db_.prepare("UPDATE meta SET value = ?2 WHERE name = ?1")), blobs_(db_),
    claims_(db_, blobs_), letters_(db_) {}

bool writer::ready() const noexcept {
  return begin_ && commit_ && epoch_ && probe_ && append_ && create_ && change_ && state_
         && forget_state_
         && old_rows_ && drop_old_rows_ && all_rows_ && drop_rows_ && drop_record_ && mark_
         && blobs_.ready() && claims_.ready() && letters_.ready();
}

result<void> writer::commit(const batch& b) {
  batch_lsn_ = last_lsn();
  batch_invocation_ = last_invocation();
  if (!begin_.run())
    return db_.failure("beginning a commit");
  auto done = check_epoch(b.owner);
  if (done && (!write(b) || !commit_.run()))
    done = db_.failure("committing");
  if (!done) {
    db_.rollback();
    return done;
  }
  last_lsn_.store(batch_lsn_, std::memory_order_release);
  last_invocation_.store(batch_invocation_, std::memory_order_release);
  return {};
}

// Inside of the transaction: nobody can take the store over between this and the commit.
result<void> writer::check_epoch(epoch owner) {
  cursor found{epoch_};
  if (!found.next())
    return db_.failure("reading its owner");
  if (found.number(0) > owner)
    return error{errc::fenced, fmt::format("store {}: owner {} was replaced by owner {}", db_.path(),
                                           owner, found.number(0))};
  return {};
}

bool writer::write(const batch& b) {
  // An empty batch asks whether commits work again, and only a write can tell.
  if (b.units.empty())
    return probe_.run();
  bool removes = false;
  for (const auto& u : b.units) {
    if (!write(u))
      return false;
    removes = removes || u.trim_before > 0 || !u.purge.empty();
  }
  return !removes || keep_marks();
}

bool writer::write(const unit& u) {
  if (!u.row.empty()) {
    if (!append_.run(u.at, u.invocation, statement::bytes{u.row}))
      return false;
    batch_lsn_ = std::max(batch_lsn_, u.at);
  }
  if (u.created && !create(*u.created))
    return false;
  if (u.changed) {
    const auto& c = *u.changed;
    if (!change_.run(c.state, c.wake_at, c.updated, c.run, c.generation, u.invocation,
                     c.drops_deadline ? 1U : 0U, never, c.drops_key ? 1U : 0U))
      return false;
  }
  if (!u.blobs.empty() && !blobs_.insert(u.blobs))
    return false;
  for (const auto& hash : u.references)
    if (!blobs_.refer(hash))
      return false;
  if (u.state && !state_.run(u.state->agent, u.state->key, u.state->body, u.state->saved))
    return false;
  if (u.trim_before > 0 && !trim(u.invocation, u.trim_before))
    return false;
  if (u.beside && !u.beside->letters.empty())
    batch_lsn_ = std::max(batch_lsn_, u.at);
  if (u.beside
      && (!claims_.write(*u.beside) || !letters_.write(u.at, u.invocation, *u.beside)
          || !forget(u.beside->states)))
    return false;
  return std::all_of(u.purge.begin(), u.purge.end(), [&](auto no) { return purge(no); });
}

bool writer::forget(const forgotten_states& old) {
  return std::all_of(old.keys.begin(), old.keys.end(), [&](const auto& key) {
    return forget_state_.run(old.agent, key, old.before);
  });
}

bool writer::create(const record& r) {
  batch_invocation_ = std::max(batch_invocation_, r.no);
  return create_.run(r.no, r.agent, r.key, r.idempotency_key, r.input_hash, r.state, r.wake_at,
                     r.created, r.updated, r.deadline, r.parent, r.parent_effect, r.run,
                     r.generation);
}

template <class... T>
bool writer::release_rows(statement& select, invocation_no no, const T&... more) {
  // Collected first: closing the cursor after a failed release would hide why it failed.
  std::vector<digest> found;
  {
    cursor rows{select, no, more...};
    while (rows.next())
      for (const auto& hash : references_of(rows.number(0), no, rows.bytes(1)))
        found.push_back(hash);
    if (rows.failed())
      return false;
  }
  return std::all_of(found.begin(), found.end(),
                     [&](const auto& hash) { return blobs_.release(hash); });
}

bool writer::trim(invocation_no no, lsn before) {
  return release_rows(old_rows_, no, before) && drop_old_rows_.run(no, before);
}

bool writer::purge(invocation_no no) {
  return release_rows(all_rows_, no) && drop_rows_.run(no) && drop_record_.run(no)
         && letters_.drop_of(no);
}

// The newest rows may be the ones that went, and a number must never be given twice: keys of
// effects are made of it.
bool writer::keep_marks() {
  return mark_.run(std::string_view{"last_lsn"}, batch_lsn_)
         && mark_.run(std::string_view{"last_invocation"}, batch_invocation_);
}

} // namespace troupe::store
