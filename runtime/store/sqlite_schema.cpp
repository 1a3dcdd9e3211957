#include "runtime/store/sqlite_schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe::store {
namespace {

// As it was in version 1; what came later is in the steps below, so that a new file and a migrated
// one cannot differ.
constexpr auto version_1 = R"(
CREATE TABLE meta(name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE journal(lsn INTEGER PRIMARY KEY, inv INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX journal_inv ON journal(inv);
CREATE TABLE invocation(
  no INTEGER PRIMARY KEY, agent TEXT NOT NULL, key TEXT NOT NULL, idempotency_key TEXT NOT NULL,
  input_hash INTEGER NOT NULL, state INTEGER NOT NULL, wake_at INTEGER NOT NULL,
  created INTEGER NOT NULL, updated INTEGER NOT NULL, deadline INTEGER NOT NULL,
  parent INTEGER NOT NULL, run INTEGER NOT NULL, generation INTEGER NOT NULL);
CREATE UNIQUE INDEX invocation_idempotency ON invocation(agent, idempotency_key)
  WHERE idempotency_key <> '';
CREATE INDEX invocation_open ON invocation(no) WHERE state < 10;
CREATE TABLE blob(hash BLOB PRIMARY KEY, refs INTEGER NOT NULL, node INTEGER NOT NULL,
  body INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE blob_body(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE agent_state(agent TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
  PRIMARY KEY(agent, key)) WITHOUT ROWID;
INSERT INTO meta VALUES('epoch', 0), ('last_lsn', 0), ('last_invocation', 0);
)";

// From 1 to 2: a child's answer finds the await in its parent without the parent's journal, and
// purging by age does not read the whole table.
constexpr auto version_2 = R"(
ALTER TABLE invocation ADD COLUMN parent_effect TEXT NOT NULL DEFAULT '';
CREATE INDEX invocation_finished ON invocation(updated) WHERE state >= 10;
INSERT INTO meta VALUES('probes', 0);
)";

// From 2 to 3: business keys of calls, and messages that were set aside.
constexpr auto version_3 = R"(
CREATE TABLE ledger(
  service TEXT NOT NULL, key TEXT NOT NULL, arguments INTEGER NOT NULL, state INTEGER NOT NULL,
  owner INTEGER NOT NULL, effect TEXT NOT NULL, epoch INTEGER NOT NULL, sent INTEGER NOT NULL,
  lease INTEGER NOT NULL, expires INTEGER NOT NULL, answer TEXT NOT NULL, blob BLOB,
  PRIMARY KEY(service, key)) WITHOUT ROWID;
CREATE INDEX ledger_expires ON ledger(expires);
CREATE TABLE dead_letter(
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, inv INTEGER NOT NULL, subject TEXT NOT NULL,
  key TEXT NOT NULL, body TEXT NOT NULL, why TEXT NOT NULL, deaths INTEGER NOT NULL,
  at INTEGER NOT NULL);
CREATE INDEX dead_letter_inv ON dead_letter(inv) WHERE inv <> 0;
)";

// From 3 to 4: what nobody has touched for long is found. What stands there already counts from now.
constexpr auto version_4 = R"(
ALTER TABLE agent_state ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
UPDATE agent_state SET saved = CAST(strftime('%s', 'now') AS INTEGER) * 1000000;
CREATE INDEX agent_state_saved ON agent_state(agent, saved);
)";

constexpr std::array steps{version_1, version_2, version_3, version_4};
static_assert(steps.size() == schema_version);

result<std::int64_t> version_of(database& db) {
  auto version = db.integer("PRAGMA user_version", -1);
  if (version < 0)
    return db.failure("reading its version");
  auto tables = db.integer("SELECT count(*) FROM sqlite_master", -1);
  if (tables < 0)
    return db.failure("reading its tables");
  auto ours = db.integer("PRAGMA application_id", 0) == schema_application;
  if (!ours && (version != 0 || tables != 0))
    return error{errc::conflict, fmt::format("{} is a database, but not a troupe store", db.path())};
  if (version > schema_version)
    return error{errc::conflict,
                 fmt::format("store {} has version {}, this troupe knows versions up to {}: it was "
                             "written by a newer troupe",
                             db.path(), version, schema_version)};
  return version;
}

bool migrate(database& db, std::int64_t from) {
  if (from == schema_version)
    return true;
  for (auto step = from; step < schema_version; ++step)
    if (!db.execute(steps[static_cast<std::size_t>(step)]))
      return false;
  auto mark = fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                          schema_application, schema_version);
  return db.execute(mark.c_str());
}

bool raise_epoch(database& db, const std::string& new_tag, utc_time now, ownership& out) {
  auto added = db.prepare("INSERT OR IGNORE INTO meta VALUES('tag', ?1), ('created', ?2)");
  if (!added.run(new_tag, now)
      || !db.execute("UPDATE meta SET value = value + 1 WHERE name = 'epoch'"))
    return false;
  auto ask = db.prepare("SELECT (SELECT value FROM meta WHERE name = 'tag'),"
                        " (SELECT value FROM meta WHERE name = 'epoch'),"
                        " (SELECT value FROM meta WHERE name = 'last_lsn'),"
                        " (SELECT value FROM meta WHERE name = 'last_invocation'),"
                        " (SELECT max(lsn) FROM journal), (SELECT max(no) FROM invocation),"
                        " (SELECT max(id) FROM dead_letter)");
  if (!ask)
    return false;
  cursor row{ask};
  if (!row.next())
    return false;
  out.tag = row.string(0);
  out.own = row.number(1);
  out.last_lsn = std::max({row.number(2), row.number(4), row.number(6)});
  out.last_invocation = std::max(row.number(3), row.number(5));
  return true;
}

} // namespace

result<ownership> take_over(database& db, const std::string& new_tag, utc_time now) {
  if (auto before = version_of(db); !before)
    return before.error();
  if (!db.execute("PRAGMA journal_mode = WAL"))
    return db.failure("switching it to a write-ahead log");
  if (!db.execute("BEGIN IMMEDIATE"))
    return db.failure("taking it over");
  // Again, since now nobody else can change it.
  auto version = version_of(db);
  if (!version) {
    db.rollback();
    return version.error();
  }
  ownership out;
  if (!migrate(db, *version) || !raise_epoch(db, new_tag, now, out) || !db.execute("COMMIT")) {
    auto why = db.failure(*version == schema_version ? "taking it over" : "migrating it");
    db.rollback();
    return why;
  }
  // Keys of effects are made of the tag. It must not stand in the log alone: a store whose log is
  // lost would get another one, and the far sides would take the same effects for new ones.
  if (*version == 0)
    (void)db.execute("PRAGMA wal_checkpoint(PASSIVE)");
  return out;
}

} // namespace troupe::store
