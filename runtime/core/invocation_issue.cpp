// How effects are issued: matched with the journal, or written into it.
#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace troupe {
namespace {

using journal::effect_kind;

bool is_local(effect_kind k) {
  return k == effect_kind::now || k == effect_kind::random || k == effect_kind::uuid
         || k == effect_kind::emit;
}

// What the argument hash is taken of; empty where arguments are not compared.
std::string arguments_of(const effect_base& e) {
  std::string all;
  switch (e.kind()) {
    case effect_kind::tool:
    case effect_kind::invoke:
    case effect_kind::send:
      return e.body();
    case effect_kind::model:
      for (const auto& item : e.items())
        all += item;
      return all + e.body();
    default:
      return all;
  }
}

std::uint64_t hash_of(const effect_base& e) {
  auto text = arguments_of(e);
  return text.empty() ? 0 : short_hash(text);
}

std::int64_t number_in(std::string_view text) {
  std::int64_t v = 0;
  std::from_chars(text.data(), text.data() + text.size(), v);
  return v;
}

} // namespace

bool invocation::issue(effect_base& e) {
  if (halt_ || over_ || too_long_)
    return false; // the coroutine is not resumed again
  if (e.kind_ == effect_kind::patched)
    return issue_patched(e);
  e.seq_ = e.on_->take_seq();
  last_at_ = e.at();
  e.note_issue(saga_steps_);
  if (is_local(e.kind_))
    return issue_local(e);
  if (replay_ && !replay_->at_end())
    return issue_replayed(e);
  return issue_live(e);
}

bool invocation::issue_patched(effect_base& e) {
  auto answer = [&](bool yes) {
    e.outcome_ = std::string{yes ? "true" : "false"};
    return true;
  };
  for (const auto& [id, yes] : patches_)
    if (id == e.name_)
      return answer(yes);
  bool yes = true;
  if (replay_ && !replay_->at_end()) {
    auto* l = std::get_if<journal::local>(&replay_->peek());
    yes = l != nullptr && l->kind == effect_kind::patched && l->at.path == e.on_->path()
          && l->value.text == e.name_;
    if (yes)
      replay_->advance();
  } else {
    journal::local l;
    l.at = {e.on_->path(), e.on_->seq()};
    l.kind = effect_kind::patched;
    l.value.text = e.name_;
    out_.add(journal::entry{std::move(l)});
    count_entry();
  }
  patches_.emplace_back(e.name_, yes);
  return answer(yes);
}

bool invocation::issue_local(effect_base& e) {
  if (replay_ && !replay_->at_end()) {
    auto* l = std::get_if<journal::local>(&replay_->peek());
    if (l == nullptr || l->kind != e.kind_ || l->at != e.at()) {
      nondeterministic(fmt::format("{} at {}", to_string(e.kind_), to_string(e.at())));
      return false;
    }
    e.outcome_ = std::move(l->value.text);
    replay_->advance();
    return true;
  }
  auto value = produce(e);
  journal::local l;
  l.at = e.at();
  l.kind = e.kind_;
  l.value = keep(value);
  out_.add(journal::entry{std::move(l)});
  count_entry();
  emitted_ = emitted_ || e.kind_ == effect_kind::emit;
  e.outcome_ = std::move(value);
  return true;
}

std::string invocation::produce(const effect_base& e) {
  switch (e.kind_) {
    case effect_kind::now:
      return std::to_string(world_.env.clock.now().time_since_epoch().count());
    case effect_kind::random:
      return std::to_string(world_.env.random.next());
    case effect_kind::uuid: {
      auto a = world_.env.random.next();
      auto b = world_.env.random.next();
      return fmt::format("\"{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}\"", a >> 32U,
                         (a >> 16U) & 0xFFFFU, a & 0xFFFU, 0x8000U | (b >> 48U & 0x3FFFU),
                         b & 0xFFFFFFFFFFFFU);
    }
    default:
      return e.body_;
  }
}

bool invocation::issue_replayed(effect_base& e) {
  auto asked = [&] {
    return fmt::format("{} \"{}\" at {}", to_string(e.kind_), e.name_, to_string(e.at()));
  };
  auto* c = std::get_if<journal::command>(&replay_->peek());
  if (c == nullptr || c->at != e.at() || c->kind != e.kind_ || c->name != e.name_) {
    nondeterministic(asked());
    return false;
  }
  if (e.key_.empty()) // the topology may have found one in the arguments
    e.key_ = c->key;
  e.business_ = !c->key.empty();
  if (c->arguments != hash_of(e) || c->key != e.key_) {
    if (c->cls == effect_class::idempotent || c->cls == effect_class::at_most_once) {
      nondeterministic(asked() + " with other arguments");
      return false;
    }
    event_line(level::warning, "journal.drift", &e, {});
    auto what = to_json(asked());
    if (!replay_->has_drift(what))
      record_note("drift", std::move(what));
  }
  if (e.business_)
    (void)key_taken(e, c->arguments);
  e.cls_ = c->cls;
  e.when_ = c->sent;
  e.run_ = replay_->peek_run();
  e.repeated_ = true;
  e.sent_ = true;
  e.phase_ = phase::replayed;
  replay_->advance();
  e.id_ = next_id_++;
  e.pending_ = true;
  pending_.emplace_hint(pending_.end(), e.id_, &e);
  return false;
}

bool invocation::issue_live(effect_base& e) {
  auto now = world_.env.clock.now();
  result<void> keyed;
  e.run_ = run_;
  e.when_ = now;
  if (e.kind_ == effect_kind::sleep) {
    auto us = number_in(std::string_view{e.body_}.substr(1));
    e.when_ = e.body_.front() == '+' ? now + std::chrono::microseconds{us}
                                     : utc_time{std::chrono::microseconds{us}};
  } else if (e.kind_ == effect_kind::tool) {
    if (auto service = world_.env.services.find(service_of(e))) {
      e.cls_ = service->info.cls;
      keyed = find_business_key(e, service->info);
    }
  } else if (e.kind_ == effect_kind::model) {
    e.cls_ = effect_class::read;
  }
  journal::command c;
  c.at = e.at();
  c.kind = e.kind_;
  c.cls = e.cls_;
  c.name = e.name_;
  c.arguments = hash_of(e);
  c.key = e.key_;
  c.sent = e.when_;
  if (e.kind_ == effect_kind::model)
    c.detail = keep_chain(e.items_);
  else if (e.kind_ == effect_kind::tool || e.kind_ == effect_kind::invoke
           || e.kind_ == effect_kind::send)
    c.detail = keep(e.body_);
  record(c);
  e.id_ = next_id_++;
  e.pending_ = true;
  pending_.emplace_hint(pending_.end(), e.id_, &e);
  if (!keyed) {
    make_ready(e, keyed.error());
    return false;
  }
  if (e.business_ && key_taken(e, c.arguments)) {
    make_ready(e, error{errc::key_conflict,
                        fmt::format("key \"{}\" came before with other arguments", e.key_)});
    return false;
  }
  if (carried_) {
    if (const auto* got = carried_->carried(c)) {
      serve_carried(*carried_, e, *got);
      return false;
    }
    if (resume_unsettled(e, c))
      return false;
  }
  begin_when_durable(e);
  return false;
}

// What the run before had. What it had from another invocation is still that one's to undo.
void invocation::serve_carried(const journal::replay& past, effect_base& e,
                               const journal::completion& got) {
  if (past.is_borrowed(e.at()))
    share_answer(e, {}, std::string{got.value.text});
  else
    make_ready(e, std::string{got.value.text});
}

void invocation::begin_when_durable(effect_base& e) {
  bool output = is_call(e.kind_) || e.kind_ == effect_kind::run;
  if (output && e.cls_ != effect_class::pure && !planted(planted_bug::output_before_gate)) {
    e.phase_ = phase::gated;
    e.gate_ = 0;
    gated_.push_back(e.id_);
  } else {
    starting_.push_back(e.id_);
  }
}

// Within one generation, and without a question; over all invocations the ledger knows.
bool invocation::key_taken(const effect_base& e, std::uint64_t arguments) {
  auto [i, fresh] = business_keys_.emplace(
    fmt::format("{} {} {}", to_string(e.kind_), e.name_, e.key_), arguments);
  return !fresh && i->second != arguments;
}

// The run before asked for the same and does not know what became of it: the key stays the same.
bool invocation::resume_unsettled(effect_base& e, const journal::command& c) {
  const auto* open = carried_->unsettled(c);
  if (open == nullptr || e.kind_ == effect_kind::sleep || e.kind_ == effect_kind::signal)
    return false;
  if (!open->key.empty())
    e.key_ = open->key;
  e.run_ = open->run;
  e.when_ = open->sent;
  e.repeated_ = e.sent_ = true;
  journal::command again = c;
  again.key = e.key_ = key_of(e);
  again.sent = open->sent;
  again.detail = {};
  record(again);
  begin_when_durable(e);
  e.phase_ = phase::replayed; // begun with the care that a restart takes
  return true;
}

// Sends it (again) under a key and with a time that the journal knows first: a crash after this must
// not take it for the first attempt.
void invocation::reissue(effect_base& e) {
  if (e.kind_ == effect_kind::sleep || e.kind_ == effect_kind::signal) {
    start(e);
    return;
  }
  e.when_ = world_.env.clock.now();
  e.repeated_ = false; // what was sent before did not happen
  journal::command c;
  c.at = e.at();
  c.kind = e.kind_;
  c.cls = e.cls_;
  c.name = e.name_;
  c.arguments = hash_of(e);
  c.key = e.key_ = key_of(e);
  c.sent = e.when_;
  record(c);
  begin_when_durable(e);
}

void invocation::nondeterministic(std::string asked) {
  if (halt_)
    return;
  auto holds = std::string{"its end"};
  if (replay_ && !replay_->at_end()) {
    auto& next = replay_->peek();
    holds = name_of(next);
    if (auto* c = std::get_if<journal::command>(&next))
      holds = fmt::format("{} \"{}\" at {}", to_string(c->kind), c->name, to_string(c->at));
    else if (auto* l = std::get_if<journal::local>(&next))
      holds = fmt::format("{} at {}", to_string(l->kind), to_string(l->at));
    else if (auto* d = std::get_if<journal::completion>(&next))
      holds = fmt::format("the completion of {}", to_string(d->at));
  }
  halt_ = std::make_unique<error>(
    error{errc::nondeterministic,
          fmt::format("the code asks for {}, the journal holds {}", asked, holds)});
}

} // namespace troupe
