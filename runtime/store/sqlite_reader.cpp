#include "runtime/store/sqlite_reader.hpp"

#include "runtime/store/sqlite_claims.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::store {
namespace {

constexpr std::string_view record_columns =
  "SELECT no, agent, key, idempotency_key, input_hash, state, wake_at, created, updated, deadline,"
  " parent, parent_effect, run, generation FROM invocation ";

std::string records_where(std::string_view condition) {
  return std::string{record_columns}.append(condition);
}

record record_of(const cursor& row) {
  record r;
  r.no = row.number(0);
  r.agent = row.string(1);
  r.key = row.string(2);
  r.idempotency_key = row.string(3);
  r.input_hash = row.number(4);
  r.state = static_cast<status>(row.integer(5));
  r.wake_at = row.time(6);
  r.created = row.time(7);
  r.updated = row.time(8);
  r.deadline = row.time(9);
  r.parent = row.number(10);
  r.parent_effect = row.string(11);
  r.run = static_cast<std::uint32_t>(row.integer(12));
  r.generation = static_cast<std::uint32_t>(row.integer(13));
  return r;
}

} // namespace

result<std::unique_ptr<reader>> reader::make(const database::options& o) {
  auto db = database::open(o);
  if (!db)
    return db.error();
  if (!db->execute("PRAGMA query_only = ON"))
    return db->failure("opening it for reading");
  std::unique_ptr<reader> out{new reader{std::move(*db)}};
  if (!out->ready())
    return out->db_.failure("preparing its statements");
  return out;
}

// `state < 10` and `state >= 10` stand as literals, or SQLite could not use the partial indexes.
reader::reader(database db)
  : db_(std::move(db)), by_number_(db_.prepare(records_where("WHERE no = ?1"))),
    by_key_(db_.prepare(records_where("WHERE agent = ?1 AND idempotency_key = ?2"
                                      " AND idempotency_key <> ''"))),
    rows_(db_.prepare("SELECT lsn, body FROM journal WHERE inv = ?1 ORDER BY lsn")),
    blob_(db_.prepare("SELECT bytes FROM blob JOIN blob_body ON blob_body.id = blob.body"
                      " WHERE hash = ?1")),
    state_(db_.prepare("SELECT body FROM agent_state WHERE agent = ?1 AND key = ?2")),
    old_states_(db_.prepare("SELECT saved, key FROM agent_state INDEXED BY agent_state_saved"
                            " WHERE agent = ?1 AND saved < ?2 AND (saved, key) > (?3, ?4)"
                            " ORDER BY saved, key LIMIT ?5")),
    open_(db_.prepare("SELECT no, agent, key, idempotency_key, input_hash, state, wake_at,"
                      " deadline, parent, parent_effect, run FROM invocation"
                      " INDEXED BY invocation_open WHERE state < 10 AND no > ?1"
                      " ORDER BY no LIMIT ?2")),
    finished_(db_.prepare("SELECT no FROM invocation INDEXED BY invocation_finished"
                          " WHERE state >= 10 AND updated < ?1 AND (updated < ?2 OR parent <> 0"
                          " OR idempotency_key = '') ORDER BY updated, no LIMIT ?3")),
    claim_(db_.prepare(claim_query)),
    claims_(db_.prepare("SELECT count(*), coalesce(sum(expires < ?1), 0) FROM ledger")),
    letters_(db_.prepare("SELECT id, kind, inv, subject, key, body, why, deaths, at"
                         " FROM dead_letter WHERE id < ?1 ORDER BY id DESC LIMIT ?2")) {}

bool reader::ready() const noexcept {
  return by_number_ && by_key_ && rows_ && blob_ && state_ && old_states_ && open_ && finished_
         && claim_ && claims_ && letters_;
}

result<std::optional<record>> reader::one(cursor& rows) {
  if (rows.next())
    return std::optional{record_of(rows)};
  if (rows.failed())
    return db_.failure("reading an invocation");
  return std::optional<record>{};
}

result<std::optional<record>> reader::find(invocation_no no) {
  std::lock_guard lock{mutex_};
  cursor rows{by_number_, no};
  return one(rows);
}

result<std::optional<record>> reader::find(std::string_view agent,
                                           std::string_view idempotency_key) {
  std::lock_guard lock{mutex_};
  cursor rows{by_key_, agent, idempotency_key};
  return one(rows);
}

result<std::vector<record>> reader::list(const filter& f) {
  auto before = f.before == 0 ? std::numeric_limits<std::int64_t>::max()
                              : static_cast<std::int64_t>(f.before);
  auto sql = records_where("WHERE no < ?1 AND created >= ?2");
  sql += f.agent.empty() ? " AND ?3 = ''" : " AND agent = ?3";
  sql += f.state ? " AND state = ?4" : " AND ?4 < 0";
  sql += f.open_only ? " AND state < 10" : "";
  sql += " ORDER BY no DESC LIMIT ?5";
  std::lock_guard lock{mutex_};
  auto ask = db_.prepare(sql);
  if (!ask)
    return db_.failure("listing invocations");
  cursor rows{ask, before, f.since, f.agent, f.state ? static_cast<int>(*f.state) : -1,
              std::min(f.limit, list_max)};
  std::vector<record> out;
  while (rows.next())
    out.push_back(record_of(rows));
  if (rows.failed())
    return db_.failure("listing invocations");
  return out;
}

result<std::vector<stored_row>> reader::load(invocation_no no) {
  std::lock_guard lock{mutex_};
  cursor rows{rows_, no};
  std::vector<stored_row> out;
  while (rows.next())
    out.push_back({rows.number(0), rows.string(1)});
  if (rows.failed())
    return db_.failure(fmt::format("loading invocation {}", no));
  return out;
}

result<std::string> reader::load_blob(const digest& hash) {
  std::string bytes;
  {
    std::lock_guard lock{mutex_};
    cursor rows{blob_, hash};
    if (!rows.next()) {
      if (rows.failed())
        return db_.failure("loading a blob");
      return error{errc::not_found, fmt::format("no blob {}", to_hex(hash))};
    }
    bytes = rows.string(0);
  }
  if (sha256(bytes) != hash)
    return error{errc::corrupted, fmt::format("store {}: blob {} is damaged", db_.path(),
                                              to_hex(hash))};
  return bytes;
}

result<std::optional<std::string>> reader::load_state(std::string_view agent,
                                                      std::string_view key) {
  std::lock_guard lock{mutex_};
  cursor rows{state_, agent, key};
  if (rows.next())
    return std::optional{rows.string(0)};
  if (rows.failed())
    return db_.failure("loading a saved state");
  return std::optional<std::string>{};
}

result<std::vector<old_state>> reader::old_states(std::string_view agent, utc_time before,
                                                  const old_state& last, std::uint32_t limit) {
  std::lock_guard lock{mutex_};
  cursor rows{old_states_, agent, before, last.saved, last.key, limit};
  std::vector<old_state> out;
  while (rows.next())
    out.push_back({rows.time(0), rows.string(1)});
  if (rows.failed())
    return db_.failure("listing old states");
  return out;
}

result<std::vector<open_entry>> reader::open_after(invocation_no after, std::uint32_t limit) {
  std::lock_guard lock{mutex_};
  cursor rows{open_, after, limit};
  std::vector<open_entry> out;
  while (rows.next())
    out.push_back({rows.number(0), rows.string(1), rows.string(2), rows.string(3), rows.number(4),
                   static_cast<status>(rows.integer(5)), rows.time(6), rows.time(7),
                   rows.number(8), rows.string(9),
                   static_cast<std::uint32_t>(rows.integer(10))});
  if (rows.failed())
    return db_.failure("listing open invocations");
  return out;
}

result<std::vector<invocation_no>> reader::finished_before(utc_time t, utc_time keyed,
                                                           std::uint32_t limit) {
  std::lock_guard lock{mutex_};
  cursor rows{finished_, t, keyed, limit};
  std::vector<invocation_no> out;
  while (rows.next())
    out.push_back(rows.number(0));
  if (rows.failed())
    return db_.failure("listing finished invocations");
  return out;
}

result<std::optional<claim>> reader::find_claim(const claim_key& what) {
  std::lock_guard lock{mutex_};
  cursor rows{claim_, what.service, what.key};
  if (rows.next())
    return std::optional{claim_of(rows)};
  if (rows.failed())
    return db_.failure("reading a business key");
  return std::optional<claim>{};
}

result<claim_count> reader::count_claims(utc_time now) {
  std::lock_guard lock{mutex_};
  cursor rows{claims_, now};
  if (!rows.next())
    return db_.failure("counting business keys");
  return claim_count{rows.number(0), rows.number(1)};
}

result<std::vector<letter>> reader::letters(lsn before, std::uint32_t limit) {
  std::lock_guard lock{mutex_};
  cursor rows{letters_, before == 0 ? std::numeric_limits<std::int64_t>::max()
                                    : static_cast<std::int64_t>(before),
              std::min(limit, list_max)};
  std::vector<letter> out;
  while (rows.next())
    out.push_back({rows.number(0), static_cast<letter_kind>(rows.integer(1)), rows.number(2),
                   rows.string(3), rows.string(4), rows.string(5), rows.string(6),
                   static_cast<std::uint32_t>(rows.integer(7)), rows.time(8)});
  if (rows.failed())
    return db_.failure("listing dead letters");
  return out;
}

} // namespace troupe::store
