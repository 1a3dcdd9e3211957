#pragma once
// What is on a memory disk. Only sources of this room include it.

#include "runtime/store/memory_store.hpp"

#include <map>
#include <unordered_map>

namespace troupe::store {

using name_pair = std::pair<std::string, std::string>;

struct held_blob {
  std::string bytes;
  bool node = false;
  std::uint64_t refs = 0;
};

struct memory_disk::image {
  std::string tag;
  epoch owner = 0;
  epoch dead = 0; // owners up to this one died in a crash
  lsn last_lsn = 0;
  invocation_no last_invocation = 0;
  std::map<invocation_no, record> records;
  std::map<invocation_no, std::map<lsn, std::string>> rows;
  std::map<name_pair, invocation_no> idempotency;
  std::map<name_pair, saved_state> states;
  std::unordered_map<digest, held_blob> blobs;
  std::map<claim_key, claim> claims;
  std::map<lsn, letter> letters;

  // Checked as a whole before anything is applied, so that a commit is all or nothing.
  result<void> check(const batch& b) const;
  void apply(const unit& u);

private:
  void insert(const std::vector<blob>& added);
  void refer(const digest& hash);
  void release(const digest& hash);
  void change_record(record& r, const change& c);
  void trim(invocation_no no, lsn before);
  void purge(invocation_no no);
  void write_aside(const unit& u);
  void forget(const forgotten_states& old);
  void put_claim(const claim& c);
  void drop_claim(std::map<claim_key, claim>::iterator at);
  void settle_claim(const settlement& s);
  void expire_claims(utc_time before);
  void drop_letters_of(invocation_no no);
};

} // namespace troupe::store
