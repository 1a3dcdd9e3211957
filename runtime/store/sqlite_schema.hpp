#pragma once
// The tables of the SQLite store, and how an older file becomes a current one. See README.md.

#include "runtime/store/sqlite_database.hpp"

namespace troupe::store {

/// The version of the tables (`PRAGMA user_version`). A change of them is a new version with a step
/// in `sqlite_schema.cpp` that migrates from the one before.
inline constexpr std::int64_t schema_version = 4;

/// Marks the file as a troupe store (`PRAGMA application_id`): "trup".
inline constexpr std::int64_t schema_application = 0x74727570;

/// What an owner knows after it has taken a store over.
struct ownership {
  std::string tag;
  epoch own = 0;
  lsn last_lsn = 0;
  invocation_no last_invocation = 0;
};

/// Creates the tables in an empty file, migrates older ones, and raises the epoch, so that every
/// owner before is fenced. A file that is not ours, or is newer, is not touched.
///
/// @param new_tag for a store that has none yet
result<ownership> take_over(database& db, const std::string& new_tag, utc_time now);

} // namespace troupe::store
