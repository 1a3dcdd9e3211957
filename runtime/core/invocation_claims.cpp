// Business keys: an effect that names one is claimed before it is sent. See ledger_messages.hpp.
#include "runtime/core/invocation.hpp"

#include "runtime/core/business_key.hpp"

#include <caf/duration.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace troupe {

// The agent's own key; else the argument that the topology names.
result<void> invocation::find_business_key(effect_base& e, const service_info& service) const {
  if (e.undoes()) // its key is the step's
    return {};
  if (e.key_.empty() && !service.key_pointer.empty() && has_effect(e.cls_)) {
    auto found = business_key_in(service.key_pointer, e.body_);
    if (!found)
      return found.error();
    e.key_ = std::move(*found);
  }
  e.business_ = !e.key_.empty();
  return check_business_key(e.key_);
}

// What has no effect may be done as often as anybody likes, and its answer grows old.
bool invocation::must_claim(const effect_base& e) const {
  return e.business_ && e.kind_ == journal::effect_kind::tool && has_effect(e.cls_)
         && world_.ledger;
}

store::claimant invocation::claimant_of(const effect_base& e) const {
  return {who_.no, fmt::format("{}/{}", generation_, to_string(e.at()))};
}

void invocation::claim(effect_base& e, bool renewed) {
  e.phase_ = phase::claiming;
  e.claimed_ = false;
  claim_action c;
  c.what = {service_of(e), e.key_};
  c.by = claimant_of(e);
  c.arguments = arguments_hash(e.body_);
  c.sent = e.when_;
  c.renewed = renewed;
  if (auto service = world_.env.services.find(c.what.service))
    c.flight = service->info.total_timeout;
  c.incarnation = who_.incarnation;
  auto id = e.id_;
  // Whoever has the key may wait for a person. The invocation's own deadline bounds this, and a
  // cancellation ends it.
  request(world_.ledger, caf::infinite, c)
    .then(
      [this, id, what = c.what, by = c.by](action_claimed& a) {
        auto* e = find(id);
        if (!over_ && (e == nullptr || e->phase_ != phase::claiming))
          release_unused(what, by, a);
        else
          on_claimed(id, a);
      },
      [this, id](const caf::error&) {
        action_claimed down;
        down.outcome = error{errc::unavailable, "the ledger is down"};
        on_claimed(id, down);
      });
}

void invocation::on_claimed(std::uint64_t id, action_claimed& a) {
  using verdict = action_claimed::verdict;
  auto* e = find(id);
  if (over_ || e == nullptr || e->phase_ != phase::claiming)
    return;
  if (a.how == verdict::answered) {
    if (a.outcome && a.from != claimant_of(*e))
      share_answer(*e, a.from, std::move(a.outcome));
    else
      make_ready(*e, std::move(a.outcome));
  } else {
    e->claimed_ = true;
    if (a.how == verdict::granted) {
      e->phase_ = phase::started;
      start_call(*e);
    } else {
      e->when_ = a.sent;
      e->repeated_ = e->sent_ = true;
      go_on(*e);
    }
  }
  advance();
}

// The service has failed and nothing has happened: whoever waits for the key tries for itself, and a
// saga has nothing to undo.
void invocation::take_fallback(effect_base& e, result<std::string> value) {
  if (e.undoes()) { // nothing is undone by a fallback
    value = error{errc::unavailable, "only its fallback has answered"};
    if (!undo_failed(e, value))
      make_ready(e, std::move(value));
    return;
  }
  if (e.claimed_)
    close_claim(e, store::settling::freed);
  if (e.saga_ && !e.saga_->undoes)
    share_answer(e, {0, "fallback"}, std::move(value));
  else
    make_ready(e, std::move(value));
}

// Another one's answer: this effect has done nothing, and a saga must not undo it from here.
void invocation::share_answer(effect_base& e, const store::claimant& from,
                              result<std::string> value) {
  out_.add(journal::entry{journal::answered_by{e.at(), from.invocation, from.effect}});
  make_ready(e, std::move(value));
  ready_.back().shared = true;
}

// Granted to an effect that nobody waits for any more: it was never sent, at least not from here.
void invocation::release_unused(const store::claim_key& what, const store::claimant& by,
                                const action_claimed& a) {
  if (a.how == action_claimed::verdict::answered)
    return;
  bool again = a.how == action_claimed::verdict::again;
  write_settlement({what, by, again ? store::settling::unknown : store::settling::freed, {}, never},
                   {});
  advance();
}

void invocation::close_claim(effect_base& e, const result<std::string>& outcome) {
  if (outcome) {
    close_claim(e, store::settling::completed, *outcome);
    return;
  }
  const auto& why = outcome.error();
  // An end that is this invocation's own affair says nothing to the others: the next one tries.
  bool own = why.code == errc::cancelled || why.code == errc::deadline_exceeded;
  close_claim(e, why.outcome == certainty::unknown ? store::settling::unknown
                                                   : store::settling::freed,
              {}, own ? std::optional<error>{} : why);
}

void invocation::close_claim(effect_base& e, store::settling how, std::string answer,
                             std::optional<error> failure) {
  e.claimed_ = false;
  store::settlement s;
  s.what = {service_of(e), e.key_};
  s.by = claimant_of(e);
  s.how = how;
  if (how == store::settling::completed) {
    auto service = world_.env.services.find(s.what.service);
    s.expires = world_.env.clock.now()
                + (service ? service->info.key_ttl : service_info{}.key_ttl);
    s.answer.text = std::move(answer);
  }
  write_settlement(std::move(s), std::move(failure));
}

void invocation::abandon_claim(effect_base& e) {
  auto known = std::find_if(ready_.begin(), ready_.end(),
                            [&](const ready_item& r) { return r.id == e.id_; });
  if (known != ready_.end())
    close_claim(e, known->value); // it came too late for its branch, not for others
  else
    close_claim(e, in_doubt(e) ? store::settling::unknown : store::settling::freed);
}

// In the store it rides in the row that this turn writes; the ledger is told after that.
void invocation::write_settlement(store::settlement s, std::optional<error> failure) {
  settled_.push_back({s, 0, std::move(failure), who_.incarnation});
  if (s.answer.text.size() > world_.options.inline_max) {
    s.answer.stored = true;
    s.answer.hash = sha256(s.answer.text);
    extra().blobs.push_back({s.answer.hash, std::move(s.answer.text), false});
    s.answer.text = {};
  }
  beside().settlements.push_back(std::move(s));
}

} // namespace troupe
