#include "runtime/journal/replay.hpp"

#include "runtime/core/planted.hpp"

#include <algorithm>

namespace troupe::journal {

replay::replay(std::vector<row> rows) {
  for (auto& r : rows)
    take_row(r);
}

void replay::take_row(row& r) {
  // Trimming may have dropped the row that began this run.
  if (r.run != outside)
    run_ = std::max(run_, r.run);
  for (auto& e : r.entries)
    take(e, r);
}

void replay::take(entry& e, const row& r) {
  if (std::holds_alternative<command>(e) || std::holds_alternative<completion>(e)
      || std::holds_alternative<local>(e) || std::holds_alternative<cancel_delivered>(e)) {
    take_step(e, r.run);
  } else if (auto* began = std::get_if<run_began>(&e)) {
    begin_run(began->kept, r.run);
  } else if (auto* gen = std::get_if<generation_began>(&e)) {
    begin_generation(*gen, r);
  } else if (auto* s = std::get_if<signalled>(&e)) {
    auto id = s->id != 0 && !planted(planted_bug::signal_renumbered) ? s->id : r.at;
    signals_.emplace(id, waiting_signal{id, std::move(s->name), std::move(s->value.text)});
  } else if (auto* begun = std::get_if<started>(&e)) {
    started_ = *begun;
    input_ = std::move(begun->input.text);
    generation_rows_.push_back(r.at);
  } else if (auto* st = std::get_if<state_loaded>(&e)) {
    if (steps_.empty())
      state_ = std::move(st->state.text);
    else
      steps_.push_back({std::move(e), r.run});
  } else if (auto* c = std::get_if<cancel_asked>(&e)) {
    cancel_ = *c;
  } else if (auto* p = std::get_if<parked>(&e)) {
    auto at = p->at;
    parked_.insert_or_assign(std::move(at), parking{std::move(*p), {}});
  } else if (auto* v = std::get_if<resolved>(&e)) {
    if (auto i = parked_.find(v->at); i != parked_.end())
      i->second.decision = std::move(*v);
  } else if (auto* d = std::get_if<died>(&e)) {
    deaths_.push_back(std::move(*d));
  } else if (auto* end = std::get_if<ended>(&e)) {
    ended_ = std::move(*end);
  } else if (auto* u = std::get_if<compensated>(&e)) {
    undone_.push_back(std::move(*u));
  } else if (auto* other = std::get_if<answered_by>(&e)) {
    borrowed_.insert(std::move(other->at));
  } else if (auto* n = std::get_if<note>(&e)) {
    if (n->name == "drift") // told once, not at every replay
      drifts_.insert(std::move(n->detail.text));
  }
}

void replay::take_step(entry& e, std::uint32_t run) {
  was_cancelled_ = was_cancelled_ || std::holds_alternative<cancel_delivered>(e);
  if (auto* c = std::get_if<command>(&e)) {
    if (!open_.insert(c->at).second) { // sent again
      parked_.erase(c->at);
      renewed_.erase(c->at);
      reissued_.insert_or_assign(c->at, std::move(*c));
      return;
    }
  } else if (auto* done = std::get_if<completion>(&e)) {
    if (done->signal != 0)
      signals_.erase(done->signal);
    open_.erase(done->at);
    parked_.erase(done->at);
  }
  steps_.push_back({std::move(e), run});
}

void replay::begin_generation(generation_began& began, const row& r) {
  steps_.clear();
  open_.clear();
  reissued_.clear();
  carried_.clear();
  unsettled_.clear();
  renewed_.clear();
  parked_.clear();
  undone_.clear();
  borrowed_.clear();
  deaths_.clear(); // addresses begin anew
  generation_ = r.generation;
  generation_rows_.push_back(r.at);
  input_ = std::move(began.state.text);
  patches_ = std::move(began.patches);
}

void replay::begin_run(std::uint32_t kept, std::uint32_t run) {
  if (kept == afresh) {
    kept = 0;
    state_.reset();
  }
  leave_behind(std::min<std::size_t>(kept, steps_.size()));
  run_ = run;
  ended_.reset();
  parked_.clear();
  deaths_.clear();
  cancel_.reset();
  was_cancelled_ = false;
}

// Cuts the record, and remembers of what is cut off what the new run must know.
void replay::leave_behind(std::size_t kept) {
  struct asked {
    command what;
    std::uint32_t run = 0;
    bool stands = false;
  };
  std::map<address, asked> all;
  std::set<address> settled;
  renewed_.clear();
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (auto* c = std::get_if<command>(&steps_[i].what))
      all[c->at] = asked{*c, steps_[i].run, i < kept};
    auto* done = std::get_if<completion>(&steps_[i].what);
    if (done == nullptr || !all.contains(done->at))
      continue;
    bool definite = done->ok || done->failure.outcome == certainty::definite;
    if (definite)
      settled.insert(done->at);
    if (i < kept)
      continue;
    if (!done->ok && definite) {
      renewed_.insert(done->at);
      reissued_.erase(done->at);
    } else if (done->ok) {
      auto at = done->at; // the right side of an assignment comes first, and takes it
      carried_[at] = success{all[at].what, std::move(*done)};
    }
  }
  for (auto& [at, a] : all) {
    if (a.stands || settled.contains(at))
      continue;
    sending how{{}, a.run, a.what.sent};
    if (auto i = reissued_.find(at); i != reissued_.end())
      how = {i->second.key, a.run, i->second.sent};
    unsettled_[at] = attempt{std::move(a.what), std::move(how)};
    reissued_.erase(at);
  }
  std::vector<compensated> standing;
  for (auto& u : std::exchange(undone_, {})) {
    if (auto i = all.find(u.step); i != all.end() && i->second.stands)
      standing.push_back(std::move(u));
    else
      forget_undone(u);
  }
  undone_ = std::move(standing);
  steps_.resize(kept);
  open_.clear();
  for (const auto& s : steps_) {
    if (auto* c = std::get_if<command>(&s.what))
      open_.insert(c->at);
    else if (auto* done = std::get_if<completion>(&s.what))
      open_.erase(done->at);
  }
}

// A step that was undone is done anew, and undone anew should it come to that. What was read before
// is read again: undoing has changed what it was about.
void replay::forget_undone(const compensated& u) {
  for (const auto& at : {u.step, u.by}) {
    carried_.erase(at);
    unsettled_.erase(at);
  }
  std::erase_if(carried_, [](const auto& c) { return !has_effect(c.second.asked.cls); });
}

std::vector<waiting_signal> replay::take_signals() {
  std::vector<waiting_signal> all;
  all.reserve(signals_.size());
  for (auto& [_, s] : signals_)
    all.push_back(std::move(s));
  signals_.clear();
  return all;
}

const resolved* replay::decision(const address& a) const {
  auto i = parked_.find(a);
  return i == parked_.end() || !i->second.decision ? nullptr : &*i->second.decision;
}

const parked* replay::undecided() const {
  const parked* first = nullptr;
  for (const auto& [_, p] : parked_)
    if (!p.decision && (first == nullptr || p.what.since < first->since))
      first = &p.what;
  return first;
}

const command* replay::reissued(const address& a) const {
  auto i = reissued_.find(a);
  return i == reissued_.end() ? nullptr : &i->second;
}

namespace {

bool same_request(const command& a, const command& b) {
  return a.kind == b.kind && a.name == b.name && a.arguments == b.arguments && a.key == b.key;
}

} // namespace

const completion* replay::carried(const command& c) const {
  auto i = carried_.find(c.at);
  return i != carried_.end() && same_request(i->second.asked, c) ? &i->second.got : nullptr;
}

const completion* replay::carried(const address& a) const {
  auto i = carried_.find(a);
  return i == carried_.end() ? nullptr : &i->second.got;
}

const replay::sending* replay::unsettled(const command& c) const {
  auto i = unsettled_.find(c.at);
  return i != unsettled_.end() && same_request(i->second.asked, c) ? &i->second.how : nullptr;
}

std::uint32_t replay::kept_by_retry() const {
  bool aborted = std::any_of(parked_.begin(), parked_.end(), [](const auto& p) {
    return p.second.decision && p.second.decision->decision == verdict::abort;
  });
  if (!ended_ || ended_->ok || aborted)
    return size(); // it was at it, and goes on where it was
  auto kept = before_failures();
  for (std::uint32_t i = 0; i < kept; ++i)
    if (auto* c = std::get_if<command>(&steps_[i].what))
      for (const auto& u : undone_)
        if (u.step == c->at)
          return i;
  return kept;
}

std::uint32_t replay::before_failures() const {
  auto failed = [this](std::size_t i) {
    auto* done = std::get_if<completion>(&steps_[i].what);
    return done != nullptr && !done->ok;
  };
  // A delivered cancellation is the reason of all that failed after it.
  for (std::size_t i = 0; i < steps_.size(); ++i)
    if (std::holds_alternative<cancel_delivered>(steps_[i].what))
      return static_cast<std::uint32_t>(i);
  auto i = steps_.size();
  while (i > 0 && !failed(i - 1))
    --i;
  if (i == 0)
    return size();
  // Failures with nothing asked between them were waited for side by side: all of them run anew.
  auto kept = i - 1;
  for (auto j = kept; j > 0 && std::holds_alternative<completion>(steps_[j - 1].what); --j)
    if (failed(j - 1))
      kept = j - 1;
  return static_cast<std::uint32_t>(kept);
}

} // namespace troupe::journal
