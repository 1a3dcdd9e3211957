#include "runtime/journal/replay.hpp"

#include <algorithm>

namespace troupe::journal {
namespace {

bool is_step(const entry& e) {
  return std::holds_alternative<command>(e) || std::holds_alternative<completion>(e)
         || std::holds_alternative<local>(e) || std::holds_alternative<cancel_delivered>(e);
}

} // namespace

replay::replay(std::vector<row> rows) {
  for (auto& r : rows)
    take_row(r);
}

void replay::take_row(row& r) {
  for (auto& e : r.entries) {
    if (auto* began = std::get_if<run_began>(&e)) {
      begin_run(began->kept, r.run);
    } else if (auto* gen = std::get_if<generation_began>(&e)) {
      steps_.clear();
      carried_.clear();
      renewed_.clear();
      generation_ = r.generation;
      generation_rows_.push_back(r.at);
      input_ = std::move(gen->state.text);
      patches_ = std::move(gen->patches);
      cancel_delivered_ = false;
    } else if (is_step(e)) {
      if (auto* done = std::get_if<completion>(&e); done != nullptr && done->signal != 0)
        signals_.erase(done->signal);
      if (std::holds_alternative<cancel_delivered>(e))
        cancel_delivered_ = true;
      // Any progress after a death or a parking makes it history.
      parked_.reset();
      resolved_.reset();
      steps_.push_back({std::move(e), r.run});
    } else if (auto* s = std::get_if<signalled>(&e)) {
      auto id = s->id != 0 ? s->id : r.at;
      signals_.emplace(id, waiting_signal{id, std::move(s->name), std::move(s->value.text)});
    } else if (auto* begun = std::get_if<started>(&e)) {
      started_ = *begun;
      input_ = std::move(begun->input.text);
      generation_rows_.push_back(r.at);
    } else if (auto* st = std::get_if<state_loaded>(&e)) {
      state_ = std::move(st->state.text);
    } else if (auto* c = std::get_if<cancel_asked>(&e)) {
      cancel_ = *c;
    } else if (auto* p = std::get_if<parked>(&e)) {
      parked_ = std::move(*p);
      resolved_.reset();
    } else if (auto* v = std::get_if<resolved>(&e)) {
      resolved_ = std::move(*v);
    } else if (auto* d = std::get_if<died>(&e)) {
      deaths_.push_back(std::move(*d));
    } else if (auto* end = std::get_if<ended>(&e)) {
      ended_ = std::move(*end);
    }
  }
}

void replay::begin_run(std::uint32_t kept, std::uint32_t run) {
  kept = std::min<std::uint32_t>(kept, static_cast<std::uint32_t>(steps_.size()));
  renewed_.clear();
  std::map<address, command> asked;
  for (const auto& s : steps_)
    if (auto* c = std::get_if<command>(&s.what))
      asked[c->at] = *c;
  for (std::size_t i = kept; i < steps_.size(); ++i) {
    auto* done = std::get_if<completion>(&steps_[i].what);
    if (done != nullptr && !done->ok && done->failure.outcome == certainty::definite)
      renewed_.insert(done->at);
    if (done != nullptr && done->ok && asked.contains(done->at))
      carried_[done->at] = success{asked[done->at], std::move(*done)};
  }
  steps_.resize(kept);
  run_ = run;
  ended_.reset();
  parked_.reset();
  resolved_.reset();
  deaths_.clear();
  cancel_.reset();
  cancel_delivered_ = false;
}

std::vector<waiting_signal> replay::take_signals() {
  std::vector<waiting_signal> all;
  all.reserve(signals_.size());
  for (auto& [_, s] : signals_)
    all.push_back(std::move(s));
  signals_.clear();
  return all;
}

const completion* replay::carried(const command& c) const {
  auto i = carried_.find(c.at);
  if (i == carried_.end())
    return nullptr;
  const auto& asked = i->second.asked;
  bool same = asked.kind == c.kind && asked.name == c.name && asked.arguments == c.arguments
              && asked.key == c.key;
  return same ? &i->second.got : nullptr;
}

std::uint32_t replay::kept_by_retry() const {
  for (std::size_t i = steps_.size(); i-- > 0;)
    if (auto* done = std::get_if<completion>(&steps_[i].what); done != nullptr && !done->ok)
      return static_cast<std::uint32_t>(i);
  return size();
}

} // namespace troupe::journal
