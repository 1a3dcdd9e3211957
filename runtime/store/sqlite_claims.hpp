#pragma once
// Business keys and dead letters in SQLite. Only sources of this room include it.

#include "runtime/store/sqlite_blobs.hpp"

namespace troupe::store {

inline constexpr std::string_view claim_query
  = "SELECT service, key, arguments, state, owner, effect, epoch, sent, lease, expires, answer,"
    " blob, blob IS NOT NULL FROM ledger WHERE service = ?1 AND key = ?2";

/// A row of `claim_query`.
claim claim_of(const cursor& row);

class claim_table {
public:
  claim_table(database& db, blob_table& blobs);
  bool ready() const noexcept;
  bool write(const aside& what);

private:
  bool put(const claim& c);
  bool drop(const claim& c);
  bool settle(const settlement& s);
  bool expire(utc_time before);
  /// False where the database failed; nothing in `out` where there is none.
  bool find(const claim_key& what, std::optional<claim>& out);

  blob_table& blobs_;
  statement find_;
  statement put_;
  statement put_blob_;
  statement drop_;
  statement expired_;
};

class letter_table {
public:
  explicit letter_table(database& db);
  bool ready() const noexcept;
  bool write(lsn at, invocation_no owner, const aside& what);
  bool drop_of(invocation_no no) { return drop_of_.run(no); }

private:
  statement add_;
  statement make_room_;
  statement drop_;
  statement drop_of_;
};

} // namespace troupe::store
