// How the coroutine goes on, and how it ends.
#include "tests/kit/replay_walk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit::detail {

bool walk::begin() {
  agent_ = class_.make();
  root_ = std::make_unique<troupe::detail::branch>(*this, std::string{});
  cancelled_ = key_away_ = trimmed_ = false;
  auto begun = agent_->begin(record().input(), *root_);
  auto loaded = begun ? agent_->load_state(record().state().value_or("")) : result<void>{};
  if (begun && loaded)
    return true;
  if (const auto& end = record().end(); !begun && record().at_end() && end && !end->ok) {
    report_.answer = begun.error();
    return false;
  }
  stop(begun ? "the saved state of its key has another shape" : "the input has another shape",
       {"end", {}, {}, to_string(begun ? loaded.error() : begun.error()), {}}, recorded_side());
  return false;
}

void walk::run() {
  troupe::detail::run_branch(root_.get());
  while (!stopped_ && !trimmed_) {
    if (root_->finished()) {
      root_ended();
      return;
    }
    if (record().at_end()) {
      root_waits();
      return;
    }
    next();
  }
}

void walk::next() {
  auto& entry = record().peek();
  if (std::holds_alternative<journal::cancel_delivered>(entry)) {
    tell("the cancellation is delivered");
    cancelled_ = true;
    record().advance();
    return;
  }
  if (auto* found = std::get_if<journal::state_loaded>(&entry)) {
    key_away_ = !key_away_;
    tell(key_away_ ? "it lets others of its key in" : "it has its key back");
    if (key_away_) // what it let the others see
      compare_state("the state with which it lets others in", found->state.text);
    if (auto loaded = agent_->load_state(found->state.text); !loaded)
      stop("the saved state of its key has another shape",
           {"nothing", {}, {}, to_string(loaded.error()), {}}, recorded_side());
    record().advance();
    return;
  }
  auto* done = std::get_if<journal::completion>(&entry);
  auto waits = std::find_if(pending_.begin(), pending_.end(), [&](effect_base* e) {
    return done != nullptr && e->at() == done->at;
  });
  if (waits != pending_.end()) {
    deliver(**waits, *done);
    return;
  }
  step_side code{"nothing", {}, {}, {}, {}};
  for (auto* e : pending_)
    code.arguments += (code.arguments.empty() ? "(it waits for " : ", ") + side_of(*e).text();
  if (!pending_.empty())
    code.arguments += ")";
  stop("the record goes on, the code does not", std::move(code), recorded_side());
}

void walk::deliver(effect_base& e, journal::completion& done) {
  tell(fmt::format("{} at {} is answered", to_string(e.kind()), to_string(e.at())));
  auto value = done.ok ? result<std::string>{std::move(done.value.text)}
                       : result<std::string>{std::move(done.failure)};
  if (value)
    if (auto fits = e.fits(*value); !fits)
      drift("the recorded answer has another shape than the code expects: " + fits.error().message,
            side_of(e), {"answer", {}, to_string(e.at()), *value, {}});
  bool shared = record().is_borrowed(done.at);
  record().advance();
  std::erase(pending_, &e);
  opened::pending(e) = false;
  opened::outcome(e) = std::move(value);
  e.note_outcome(shared);
  auto* branch = e.on();
  branch->next = branch->leaf->self;
  troupe::detail::run_branch(branch);
}

void walk::root_ended() {
  agent_base::ending end;
  try {
    end = agent_->end();
  } catch (const std::exception& thrown) {
    stop("the code throws", {"throws", {}, {}, thrown.what(), {}}, recorded_side());
    return;
  } catch (...) {
    stop("the code throws", {"throws", {}, {}, "no std::exception", {}}, recorded_side());
    return;
  }
  auto code = end.continued ? side_of_end("continue_as", *end.continued) : side_of_end("end", end.value);
  if (!record().at_end()) {
    stop("the code ends, the record goes on", std::move(code), recorded_side());
    return;
  }
  if (part_->last && !record().end() && end.continued) {
    report_.beyond.push_back(std::move(code));
    return;
  }
  bool continues = end.continued && !cancelled_;
  bool continued = !part_->last;
  if (continues != continued && (continued || record().end())) {
    stop("another end", std::move(code), recorded_side());
    return;
  }
  compare_end(end);
}

void walk::compare_end(const agent_base::ending& end) {
  bool own_error = !end.continued && !end.value;
  if (cancelled_ && !own_error && part_->last) { // then the runtime says how it ended
    report_.answer = report_.answer_recorded;
    return;
  }
  if (!end.continued) {
    report_.answer = end.value;
    return;
  }
  if (!part_->whole)
    return;
  auto code = side_of_end("continue_as", *end.continued);
  if (!json_differences(*end.continued, *part_->continued, 1).empty())
    drift("the next generation would begin with something else; it goes on with what it began with",
          std::move(code), {"continue_as", {}, {}, *part_->continued, {}});
  if (part_->saved)
    compare_state("the state that it saves", *part_->saved);
}

void walk::compare_state(std::string_view what, const std::string& recorded) {
  auto now = agent_->save_state();
  if (!json_differences(now, recorded, 1).empty())
    drift(fmt::format("{} is not the recorded one", what), {"state", {}, {}, now, {}},
          {"state", {}, {}, recorded, {}});
}

// The record is at its end, and the code waits. That is as it was where the run is still open, and
// where it was ended from outside: cancelled and out of time to clean up, or aborted by a person.
void walk::root_waits() {
  const auto& end = record().end();
  bool open = part_->last && !end;
  bool ended_outside = end && !end->ok
                       && (cancelled_ || end->failure.code == errc::outcome_unknown
                           || end->failure.code == errc::output_too_large);
  if (open || ended_outside) {
    if (ended_outside)
      report_.answer = end->failure;
    return;
  }
  step_side code{"nothing", {}, {}, "(it waits", {}};
  for (auto* e : pending_)
    code.arguments += " for " + side_of(*e).text();
  code.arguments += ")";
  stop("the recorded run ended here, the code waits", std::move(code), recorded_side());
}

} // namespace troupe::kit::detail
