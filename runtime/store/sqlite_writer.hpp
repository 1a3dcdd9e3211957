#pragma once
// The writing half of the SQLite store: one connection, one transaction a batch.

#include "runtime/store/sqlite_blobs.hpp"
#include "runtime/store/sqlite_claims.hpp"
#include "runtime/store/sqlite_schema.hpp"

#include <atomic>

namespace troupe::store {

class writer {
public:
  /// @param db taken over already, with everything that a commit needs set
  static result<std::unique_ptr<writer>> make(database db, const ownership& found);

  result<void> commit(const batch& b);

  lsn last_lsn() const noexcept { return last_lsn_.load(std::memory_order_acquire); }
  invocation_no last_invocation() const noexcept {
    return last_invocation_.load(std::memory_order_acquire);
  }
  database& connection() noexcept { return db_; }

private:
  writer(database db, const ownership& found);

  bool ready() const noexcept;
  result<void> check_epoch(epoch owner);
  bool write(const batch& b);
  bool write(const unit& u);
  bool create(const record& r);
  bool forget(const forgotten_states& old);
  bool trim(invocation_no no, lsn before);
  bool purge(invocation_no no);
  /// Releases what the rows (lsn, body) that `select` finds refer to.
  template <class... T>
  bool release_rows(statement& select, invocation_no no, const T&... more);
  bool keep_marks();

  database db_;
  std::atomic<lsn> last_lsn_;
  std::atomic<invocation_no> last_invocation_;
  // Of the batch that is being written; become the ones above when it is durable.
  lsn batch_lsn_ = 0;
  invocation_no batch_invocation_ = 0;

  statement begin_;
  statement commit_;
  statement epoch_;
  statement probe_;
  statement append_;
  statement create_;
  statement change_;
  statement state_;
  statement forget_state_;
  statement old_rows_;
  statement drop_old_rows_;
  statement all_rows_;
  statement drop_rows_;
  statement drop_record_;
  statement mark_;
  blob_table blobs_;
  claim_table claims_;
  letter_table letters_;
};

} // namespace troupe::store
