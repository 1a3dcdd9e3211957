// Sagas: what the invocation tells a saga's steps, and how undoing ends. See saga.hpp.
#include "runtime/core/invocation.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

using outcome_of = detail::saga_step::outcome;

void effect_base::note_issue(std::uint32_t& steps) {
  if (!saga_ || saga_->undoes)
    return; // of its compensation the saga decides
  auto& step = *saga_->step;
  step.now = outcome_of::open;
  step.order = ++steps;
  step.at = at();
}

void effect_base::note_outcome(bool shared) {
  if (!saga_ || saga_->undoes)
    return;
  auto& step = *saga_->step;
  step.run = run_;
  if (business_)
    step.key = key_;
  if (outcome_)
    step.now = shared ? outcome_of::shared : outcome_of::done;
  else
    step.now = outcome_.error().outcome == certainty::unknown ? outcome_of::unknown
                                                              : outcome_of::failed;
}

// In the row with the completion: a retry must not count on the step, and its business key is free.
void invocation::note_undone(const effect_base& e) {
  if (!is_call(e.kind_) && e.kind_ != journal::effect_kind::invoke)
    return; // the pause between two attempts
  const auto& step = *e.saga_->step;
  out_.add(journal::entry{journal::compensated{step.at, e.at(), world_.env.clock.now()}});
  if (!step.key.empty())
    write_settlement({{"tool:" + step.name, step.key},
                      {who_.no, fmt::format("{}/{}", generation_, to_string(step.at))},
                      store::settling::undone,
                      {},
                      never},
                     {});
}

// The last attempt does not fail: it waits for a person. What may never have happened is undone when
// its service does not know it.
bool invocation::undo_failed(effect_base& e, const result<std::string>& outcome) {
  if (!e.undoes() || !e.saga_->last || outcome)
    return false;
  bool nothing_there = e.kind_ == journal::effect_kind::tool && outcome.error().code == errc::not_found
                       && e.saga_->step->now != outcome_of::done;
  if (!nothing_there)
    park(e, "it could not be undone: " + to_string(outcome.error()));
  return !nothing_there;
}

bool invocation::undoing() const {
  return std::any_of(pending_.begin(), pending_.end(),
                     [](const auto& p) { return p.second->undoes(); });
}

} // namespace troupe
