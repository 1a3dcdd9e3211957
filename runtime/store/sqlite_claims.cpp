#include "runtime/store/sqlite_claims.hpp"

#include <algorithm>

namespace troupe::store {
namespace {

constexpr std::string_view put_sql
  = "INSERT INTO ledger(service, key, arguments, state, owner, effect, epoch, sent, lease,"
    " expires, answer, blob) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ";

constexpr std::string_view replace_sql
  = ") ON CONFLICT(service, key) DO UPDATE SET arguments = excluded.arguments,"
    " state = excluded.state, owner = excluded.owner, effect = excluded.effect,"
    " epoch = excluded.epoch, sent = excluded.sent, lease = excluded.lease,"
    " expires = excluded.expires, answer = excluded.answer, blob = excluded.blob";

std::string put_with(std::string_view blob) {
  return std::string{put_sql}.append(blob).append(replace_sql);
}

} // namespace

claim claim_of(const cursor& row) {
  claim c;
  c.what = {row.string(0), row.string(1)};
  c.arguments = row.number(2);
  c.state = static_cast<claim_state>(row.integer(3));
  c.owner = {row.number(4), row.string(5)};
  c.owner_epoch = row.number(6);
  c.sent = row.time(7);
  c.lease = row.time(8);
  c.expires = row.time(9);
  c.answer.text = row.string(10);
  c.answer.stored = row.integer(12) != 0;
  if (c.answer.stored)
    c.answer.hash = row.hash(11);
  return c;
}

claim_table::claim_table(database& db, blob_table& blobs)
  : blobs_(blobs), find_(db.prepare(claim_query)), put_(db.prepare(put_with("NULL"))),
    put_blob_(db.prepare(put_with("?12"))),
    drop_(db.prepare("DELETE FROM ledger WHERE service = ?1 AND key = ?2")),
    expired_(db.prepare("SELECT service, key FROM ledger WHERE expires < ?1 LIMIT ?2")) {}

bool claim_table::ready() const noexcept {
  return find_ && put_ && put_blob_ && drop_ && expired_;
}

bool claim_table::write(const aside& what) {
  return std::all_of(what.claims.begin(), what.claims.end(),
                     [this](const claim& c) {
                       std::optional<claim> before;
                       return find(c.what, before) && (!before || drop(*before)) && put(c);
                     })
         && std::all_of(what.settlements.begin(), what.settlements.end(),
                        [this](const settlement& s) { return settle(s); })
         && (what.claims_before == utc_time{} || expire(what.claims_before));
}

bool claim_table::find(const claim_key& what, std::optional<claim>& out) {
  cursor row{find_, what.service, what.key};
  if (row.next())
    out = claim_of(row);
  return !row.failed();
}

bool claim_table::put(const claim& c) {
  if (!c.answer.stored)
    return put_.run(c.what.service, c.what.key, c.arguments, c.state, c.owner.invocation,
                    c.owner.effect, c.owner_epoch, c.sent, c.lease, c.expires, c.answer.text);
  return put_blob_.run(c.what.service, c.what.key, c.arguments, c.state, c.owner.invocation,
                       c.owner.effect, c.owner_epoch, c.sent, c.lease, c.expires,
                       std::string_view{}, c.answer.hash)
         && blobs_.refer(c.answer.hash);
}

bool claim_table::drop(const claim& c) {
  return drop_.run(c.what.service, c.what.key)
         && (!c.answer.stored || blobs_.release(c.answer.hash));
}

bool claim_table::settle(const settlement& s) {
  std::optional<claim> c;
  if (!find(s.what, c))
    return false;
  bool keep = true;
  if (!c)
    return true;
  auto before = *c;
  if (!store::settle(*c, s, keep))
    return true;
  return drop(before) && (!keep || put(*c));
}

bool claim_table::expire(utc_time before) {
  std::vector<claim_key> found;
  {
    cursor rows{expired_, before, claims_purge};
    while (rows.next())
      found.push_back({rows.string(0), rows.string(1)});
    if (rows.failed())
      return false;
  }
  return std::all_of(found.begin(), found.end(), [this](const claim_key& k) {
    std::optional<claim> c;
    return find(k, c) && (!c || drop(*c));
  });
}

letter_table::letter_table(database& db)
  : add_(db.prepare("INSERT OR REPLACE INTO dead_letter(id, kind, inv, subject, key, body, why,"
                    " deaths, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")),
    make_room_(db.prepare("DELETE FROM dead_letter WHERE id <="
                          " (SELECT id FROM dead_letter ORDER BY id DESC LIMIT 1 OFFSET ?1)")),
    drop_(db.prepare("DELETE FROM dead_letter WHERE id = ?1")),
    drop_of_(db.prepare("DELETE FROM dead_letter WHERE inv = ?1 AND inv <> 0")) {}

bool letter_table::ready() const noexcept {
  return add_ && make_room_ && drop_ && drop_of_;
}

bool letter_table::write(lsn at, invocation_no owner, const aside& what) {
  if (what.letters_answered && !drop_of_.run(owner))
    return false;
  for (const auto& l : what.letters)
    if (!add_.run(at, l.kind, l.invocation, l.subject, l.key, l.body, l.why, l.deaths, l.when)
        || !make_room_.run(letters_max))
      return false;
  return std::all_of(what.dropped.begin(), what.dropped.end(),
                     [this](lsn id) { return drop_.run(id); });
}

} // namespace troupe::store
