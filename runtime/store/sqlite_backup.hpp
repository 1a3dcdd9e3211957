#pragma once
// A consistent copy of a store that is in use.

#include "runtime/store/sqlite_database.hpp"

namespace troupe::store {

/// Copies what is durable now to `file`, which must not exist; it appears there when it is complete
/// and synced, mode 0600. Commits go on meanwhile; the write-ahead log grows until the end.
///
/// @param source how to open the store
/// @returns `errc::conflict` where `file` exists
result<void> copy_store(const database::options& source, const std::string& file);

} // namespace troupe::store
