#pragma once
// The reading half of the SQLite store: a connection of its own, so that a long list never holds a
// commit up. Thread-safe.

#include "runtime/store/sqlite_database.hpp"

#include <mutex>

namespace troupe::store {

class reader {
public:
  static result<std::unique_ptr<reader>> make(const database::options& o);

  result<std::optional<record>> find(invocation_no no);
  result<std::optional<record>> find(std::string_view agent, std::string_view idempotency_key);
  result<std::vector<record>> list(const filter& f);
  result<std::vector<stored_row>> load(invocation_no no);
  result<std::string> load_blob(const digest& hash);
  result<std::optional<std::string>> load_state(std::string_view agent, std::string_view key);
  result<std::vector<old_state>> old_states(std::string_view agent, utc_time before,
                                            const old_state& last, std::uint32_t limit);
  result<std::vector<open_entry>> open_after(invocation_no after, std::uint32_t limit);
  result<std::vector<invocation_no>> finished_before(utc_time t, utc_time keyed,
                                                     std::uint32_t limit);
  result<std::optional<claim>> find_claim(const claim_key& what);
  result<claim_count> count_claims(utc_time now);
  result<std::vector<letter>> letters(lsn before, std::uint32_t limit);

private:
  explicit reader(database db);

  bool ready() const noexcept;
  result<std::optional<record>> one(cursor& rows);

  std::mutex mutex_;
  database db_;
  statement by_number_;
  statement by_key_;
  statement rows_;
  statement blob_;
  statement state_;
  statement old_states_;
  statement open_;
  statement finished_;
  statement claim_;
  statement claims_;
  statement letters_;
};

} // namespace troupe::store
