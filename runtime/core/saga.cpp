#include "runtime/core/saga.hpp"

#include <algorithm>

namespace troupe {

using outcome_of = detail::saga_step::outcome;

namespace {

bool may_stand(outcome_of o) {
  return o == outcome_of::open || o == outcome_of::done || o == outcome_of::unknown;
}

} // namespace

compensation::compensation(tool_call call)
  : compensation(journal::effect_kind::tool, call.name_,
                 call.body_.empty() ? std::string{"{}"} : call.body_) {}

/// One sending of a compensation.
class saga::undo_effect final : public effect<raw_json> {
public:
  undo_effect(const compensation& by, detail::saga_part part)
    : effect(by.kind_, by.name_,
             by.kind_ == journal::effect_kind::invoke ? effect_class::idempotent
                                                      : effect_class::at_most_once) {
    body_ = by.body_;
    saga_ = std::make_unique<detail::saga_part>(std::move(part));
  }
};

/// The pause before the next one; a cancellation does not cut it short.
class saga::undo_pause final : public effect<void> {
public:
  undo_pause(std::chrono::microseconds d, detail::saga_part part)
    : effect(journal::effect_kind::sleep, {}, effect_class::pure) {
    body_ = "+" + std::to_string(d.count());
    saga_ = std::make_unique<detail::saga_part>(std::move(part));
  }
};

std::shared_ptr<detail::saga_step> saga::add(std::string name, compensation undo) {
  auto step = std::make_shared<detail::saga_step>();
  step->name = std::move(name);
  entries_.push_back({std::move(undo), step});
  return step;
}

task<unit> saga::undo() {
  return undo_those(true);
}

task<unit> saga::close() {
  return undo_those(false);
}

task<unit> saga::undo_those(bool all) {
  auto order = to_undo(all);
  for (auto i : order) {
    for (std::uint32_t attempt = 1;; ++attempt) {
      auto sending = attempt_at(entries_[i], attempt >= options_.attempts_max);
      auto done = co_await std::move(sending);
      if (ends_undo(entries_[i], done))
        break;
      auto pause = pause_after(entries_[i], attempt);
      auto slept = co_await std::move(pause);
      if (!slept)
        co_return std::move(slept).error();
    }
    entries_[i].step->now = outcome_of::undone;
  }
  co_return unit{};
}

bool saga::ends_undo(const entry& e, const result<raw_json>& outcome) const {
  return outcome
         || (e.by.kind_ == journal::effect_kind::tool && e.step->now != outcome_of::done
             && outcome.error().code == errc::not_found);
}

// By the order of issue: in which order the steps were made hangs on the compiler, where several
// are arguments of one call.
std::vector<std::size_t> saga::to_undo(bool all) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    auto now = entries_[i].step->now;
    if (may_stand(now) && (all || now != outcome_of::done))
      found.push_back(i);
  }
  std::sort(found.begin(), found.end(), [this](auto a, auto b) {
    return entries_[a].step->order > entries_[b].step->order;
  });
  return found;
}

saga::undo_effect saga::attempt_at(const entry& e, bool last) const {
  return {e.by, detail::saga_part{e.step, true, last, account()}};
}

saga::undo_pause saga::pause_after(const entry& e, std::uint32_t attempt) const {
  auto longest = std::chrono::microseconds{options_.backoff_max};
  auto wait = std::chrono::microseconds{options_.backoff_min} * (1U << std::min(attempt - 1, 16U));
  return {std::min(wait, longest), detail::saga_part{e.step, true, false, {}}};
}

// `; stands: charge at -/0, reserve at -/1 (perhaps); undone: ship at -/2`
std::string saga::account() const {
  std::string stands;
  std::string undone;
  for (const auto& e : entries_) {
    auto now = e.step->now;
    if (!may_stand(now) && now != outcome_of::undone)
      continue;
    auto& list = now == outcome_of::undone ? undone : stands;
    list += (list.empty() ? "" : ", ") + e.step->name + " at " + to_string(e.step->at)
            + (may_stand(now) && now != outcome_of::done ? " (perhaps)" : "");
  }
  return "; stands: " + stands + (undone.empty() ? "" : "; undone: " + undone);
}

} // namespace troupe
