// What the code asks for, held against the record.
#include "runtime/core/digest.hpp"
#include "tests/kit/replay_walk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit::detail {
namespace {

using journal::effect_kind;

bool is_local(effect_kind k) {
  return k == effect_kind::now || k == effect_kind::random || k == effect_kind::uuid
         || k == effect_kind::emit;
}

std::string joined(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const auto& item : items) {
    if (out.size() > 1)
      out += ',';
    out += item;
  }
  return out + "]";
}

/// As invocation_issue.cpp takes it: of all that is sent.
std::uint64_t hash_of(const effect_base& e) {
  std::string all;
  if (e.kind() == effect_kind::model)
    for (const auto& item : e.items())
      all += item;
  if (is_call(e.kind()) || e.kind() == effect_kind::invoke || e.kind() == effect_kind::send)
    all += e.body();
  return all.empty() ? 0 : short_hash(all);
}

} // namespace

step_side side_of(const effect_base& e) {
  step_side s;
  s.kind = to_string(e.kind());
  s.name = e.name();
  s.at = to_string(e.at());
  s.key = e.key();
  if (e.kind() == effect_kind::model)
    s.arguments = joined(e.items());
  else if (e.kind() != effect_kind::sleep)
    s.arguments = e.body();
  return s;
}

bool walk::issue(effect_base& e) {
  if (stopped_ || trimmed_)
    return false;
  if (e.kind() == effect_kind::patched)
    return issue_patched(e);
  opened::seq(e) = e.on()->take_seq();
  e.note_issue(saga_steps_);
  if (record().at_end()) {
    issue_past_end(e);
    return false;
  }
  if (is_local(e.kind()))
    return issue_local(e);
  auto* c = std::get_if<journal::command>(&record().peek());
  auto code = side_of(e);
  if (c == nullptr || c->at != e.at() || c->kind != e.kind() || c->name != e.name()) {
    stop("another step", std::move(code), recorded_side());
    return false;
  }
  // A key that the code does not give may have been found in the arguments, by the topology.
  bool other_key = !e.key().empty() && c->key != e.key();
  if (c->arguments != hash_of(e) || other_key) {
    auto recorded = side_of_command(*c);
    if (c->cls >= effect_class::idempotent) {
      stop(other_key ? "the same step, another key" : "the same step with other arguments",
           std::move(code), std::move(recorded));
      return false;
    }
    drift(code.arguments == recorded.arguments
            ? "the messages are the same; schema, temperature or max_tokens are not"
            : "other arguments; the recorded answer is served",
          std::move(code), std::move(recorded));
  }
  tell(side_of(e).text());
  record().advance();
  pending_.push_back(&e);
  opened::pending(e) = true;
  return false;
}

bool walk::issue_patched(effect_base& e) {
  auto known = std::find_if(patches_.begin(), patches_.end(),
                            [&](const auto& p) { return p.first == e.name(); });
  bool yes = true;
  if (known != patches_.end()) {
    yes = known->second;
  } else {
    if (!record().at_end()) {
      auto* l = std::get_if<journal::local>(&record().peek());
      yes = l != nullptr && l->kind == effect_kind::patched && l->at.path == e.on()->path()
            && l->value.text == e.name();
      if (yes) {
        tell(fmt::format("patched \"{}\"", e.name()));
        record().advance();
      }
    }
    patches_.emplace_back(e.name(), yes);
  }
  opened::outcome(e) = std::string{yes ? "true" : "false"};
  return true;
}

bool walk::issue_local(effect_base& e) {
  auto* l = std::get_if<journal::local>(&record().peek());
  if (l == nullptr || l->kind != e.kind() || l->at != e.at()) {
    stop("another step", side_of(e), recorded_side());
    return false;
  }
  tell(side_of(e).text());
  if (e.kind() == effect_kind::emit && !json_differences(e.body(), l->value.text, 1).empty())
    drift("it tells its followers something else", side_of(e), recorded_side());
  opened::outcome(e) = std::move(l->value.text);
  record().advance();
  return true;
}

void walk::issue_past_end(effect_base& e) {
  if (!part_->last && record().size() == 0) {
    trimmed_ = true;
    return;
  }
  if (part_->last && !record().end())
    report_.beyond.push_back(side_of(e));
  else
    stop("the code asks for more than the recorded run did", side_of(e), recorded_side());
  pending_.push_back(&e);
  opened::pending(e) = true;
}

} // namespace troupe::kit::detail
