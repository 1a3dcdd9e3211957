#pragma once
// Blobs and how often they are referred to, within the writer's transaction.

#include "runtime/store/sqlite_database.hpp"

#include <vector>

namespace troupe::store {

class blob_table {
public:
  /// Prepares the statements; `ready` is false where that failed.
  explicit blob_table(database& db);
  bool ready() const noexcept;

  /// Adds those that are not there yet. A new chain node refers to its children from now on, also
  /// to those that follow it in `added`.
  bool insert(const std::vector<blob>& added);

  /// One more reference; nothing happens where there is no such blob.
  bool refer(const digest& hash);

  /// One reference less. The last one removes the blob and, of a node, releases its children.
  bool release(const digest& hash);

private:
  bool release_one(const digest& hash, std::vector<digest>& orphans);

  sqlite3* raw_;
  statement find_;
  statement add_;
  statement add_body_;
  statement refer_;
  statement release_;
  statement body_;
  statement drop_;
  statement drop_body_;
};

} // namespace troupe::store
