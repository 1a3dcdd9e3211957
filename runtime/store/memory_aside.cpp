// Business keys and dead letters on a memory disk.
#include "runtime/store/memory_image.hpp"

#include <iterator>

namespace troupe::store {

void memory_disk::image::write_aside(const unit& u) {
  const auto& what = *u.beside;
  for (const auto& c : what.claims)
    put_claim(c);
  for (const auto& s : what.settlements)
    settle_claim(s);
  if (what.claims_before != utc_time{})
    expire_claims(what.claims_before);
  if (what.letters_answered)
    drop_letters_of(u.invocation);
  for (const auto& l : what.letters) {
    last_lsn = std::max(last_lsn, u.at);
    letters.insert_or_assign(u.at, l).first->second.id = u.at;
    if (letters.size() > letters_max)
      letters.erase(letters.begin());
  }
  for (auto id : what.dropped)
    letters.erase(id);
  forget(what.states);
}

void memory_disk::image::forget(const forgotten_states& old) {
  for (const auto& key : old.keys)
    if (auto it = states.find({old.agent, key}); it != states.end() && it->second.saved < old.before)
      states.erase(it);
}

void memory_disk::image::put_claim(const claim& c) {
  if (auto it = claims.find(c.what); it != claims.end())
    drop_claim(it);
  if (c.answer.stored)
    refer(c.answer.hash);
  claims.insert_or_assign(c.what, c);
}

void memory_disk::image::drop_claim(std::map<claim_key, claim>::iterator at) {
  if (at->second.answer.stored)
    release(at->second.answer.hash);
  claims.erase(at);
}

void memory_disk::image::settle_claim(const settlement& s) {
  auto it = claims.find(s.what);
  if (it == claims.end())
    return;
  auto after = it->second;
  bool keep = true;
  if (!settle(after, s, keep))
    return;
  if (after.answer.stored)
    after.answer.text.clear();
  drop_claim(it);
  if (keep)
    put_claim(after);
}

void memory_disk::image::expire_claims(utc_time before) {
  auto left = claims_purge;
  for (auto it = claims.begin(); it != claims.end() && left > 0;) {
    auto next = std::next(it);
    if (it->second.expires < before) {
      drop_claim(it);
      --left;
    }
    it = next;
  }
}

void memory_disk::image::drop_letters_of(invocation_no no) {
  std::erase_if(letters, [no](const auto& l) { return no != 0 && l.second.invocation == no; });
}

} // namespace troupe::store
