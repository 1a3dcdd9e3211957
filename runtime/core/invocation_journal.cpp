// What an invocation writes, and when.
#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/journal/stored_journal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

// One that is held back comes again as after so many deaths: 100 ms · 2^6, since a disk does not get
// room within a second.
constexpr std::uint32_t held_back_deaths = 6;

} // namespace

store::unit& invocation::extra() {
  if (!extra_)
    extra_ = std::make_unique<store::unit>();
  return *extra_;
}

lsn invocation::flush(bool tell_dispatcher) {
  if (out_.empty() && !extra_) {
    if (!orphans_.empty())
      let_go();
    return last_lsn_;
  }
  store::unit u;
  if (extra_)
    u = std::move(*std::exchange(extra_, nullptr));
  u.invocation = who_.no;
  if (!out_.empty())
    u.row = out_.take(who_.no, run_, generation_);
  if (held_back(u))
    return 0;
  bool gates = false;
  for (auto id : gated_)
    if (auto* e = find(id); e != nullptr && e->gate_ == 0)
      gates = true;
  bool tell = gates || std::exchange(tell_me_, false) || emitted_;
  auto notify = tell_dispatcher ? world_.dispatcher
                : tell          ? caf::actor_cast<caf::actor>(this)
                                : caf::actor{};
  auto at = world_.log.append(std::move(u), std::move(notify), who_.incarnation,
                              caf::local_actor::context());
  if (at == 0) {
    // The commit of something that this invocation stands on has failed: it begins again from
    // what is durable, with a new actor.
    over_ = true;
    tearing_down_ = true;
    drop_coroutine();
    quit();
    return 0;
  }
  last_lsn_ = at;
  for (auto id : gated_)
    if (auto* e = find(id); e != nullptr && e->gate_ == 0)
      e->gate_ = at;
  if (!orphans_.empty() || !unsettled_.empty() || !settled_.empty())
    let_go();
  return at;
}

// There is no room for it: it begins again later from what is durable, and nobody else with it.
bool invocation::held_back(const store::unit& u) {
  auto why = world_.log.refuses(journal::bytes_of(u));
  if (!why)
    return false;
  event_line(level::warning, "journal.unit_refused", nullptr, std::string{to_string(why->code)},
             {{"why", to_json(why->message)}});
  over_ = true;
  tearing_down_ = true;
  drop_coroutine();
  send(world_.dispatcher,
       invocation_died{who_.no, last_lsn_, held_back_deaths, std::move(why->message)});
  quit();
  return true;
}

void invocation::let_go() {
  for (auto& c : std::exchange(orphans_, {}))
    send(world_.dispatcher, std::move(c));
  for (auto& s : std::exchange(unsettled_, {}))
    send(world_.dispatcher, std::move(s));
  for (auto& s : std::exchange(settled_, {})) {
    s.at = last_lsn_;
    send(world_.ledger, std::move(s));
  }
}

void invocation::quarantine(std::string why, std::uint32_t deaths) {
  extra().changed = change_to(store::status::quarantined);
  beside().letters.push_back({0, store::letter_kind::quarantined, who_.no, who_.agent, who_.key, {},
                              std::move(why), deaths, world_.env.clock.now()});
}

store::aside& invocation::beside() {
  auto& u = extra();
  if (!u.beside)
    u.beside = std::make_shared<store::aside>();
  return *u.beside;
}

void invocation::count_entry() {
  ++entries_;
  const auto& o = world_.options;
  if (entries_ > o.entries_warn && !std::exchange(warned_, true))
    event_line(level::warning, "journal.generation_long", nullptr, {},
               {{"entries", std::to_string(entries_)}});
  if (entries_ > o.entries_max && !halt_)
    too_long_ = true;
}

void invocation::record(const journal::command& c) {
  out_.add(c);
  count_entry();
}

void invocation::record_completion(const effect_base& e, const ready_item& r) {
  journal::completion c;
  c.at = e.at();
  c.ok = r.value.has_value();
  if (c.ok)
    c.value = keep(*r.value);
  else
    c.failure = r.value.error();
  c.when = world_.env.clock.now();
  c.signal = planted(planted_bug::signal_not_marked_consumed) ? 0 : r.signal;
  out_.add(c);
  count_entry();
}

void invocation::record_note(std::string name, std::string detail) {
  out_.add(journal::entry{
    journal::note{std::move(name), keep(std::move(detail)), world_.env.clock.now()}});
}

journal::payload invocation::keep(std::string text) {
  journal::payload p;
  if (text.size() <= world_.options.inline_max) {
    p.text = std::move(text);
    return p;
  }
  p.stored = true;
  p.hash = sha256(text);
  extra().blobs.push_back({p.hash, std::move(text), false});
  extra().references.push_back(p.hash);
  return p;
}

journal::payload invocation::keep_chain(const std::vector<std::string>& items) {
  // Each node names the node before it, so that a conversation of n turns stores n items and n
  // nodes, although each turn sends all of it.
  digest node{};
  std::string bytes;
  std::vector<store::blob> fresh;
  std::uint32_t i = 0;
  for (const auto& item : items) {
    auto content = sha256(item);
    bytes.assign(reinterpret_cast<const char*>(node.bytes.data()), node.bytes.size());
    bytes.append(reinterpret_cast<const char*>(content.bytes.data()), content.bytes.size());
    node = sha256(bytes);
    fresh.push_back({content, item, false});
    fresh.push_back({node, bytes, true});
    if (++i == chain_length_ && node == chain_head_)
      fresh.clear(); // up to here it is what the last call sent
  }
  chain_length_ = i;
  chain_head_ = node;
  auto& u = extra();
  for (auto& b : fresh)
    u.blobs.push_back(std::move(b));
  u.references.push_back(node);
  journal::payload p;
  p.stored = true;
  p.hash = node;
  return p;
}

// A keyed agent's state comes with each of its invocations, and from one to the next most of it is the
// same. In pieces, what has not changed at its beginning is stored once.
journal::payload invocation::keep_state(std::string text) {
  if (text.size() <= world_.options.inline_max)
    return keep(std::move(text));
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size(); at += state_piece_size)
    pieces.push_back(text.substr(at, state_piece_size));
  auto length = std::exchange(chain_length_, 0U); // those are of the last model call
  auto head = std::exchange(chain_head_, digest{});
  auto p = keep_chain(pieces);
  chain_length_ = length;
  chain_head_ = head;
  return p;
}

store::change invocation::change_to(store::status s, utc_time wake_at) const {
  return {s, wake_at, world_.env.clock.now(), run_, generation_};
}

effect_base* invocation::find(std::uint64_t id) noexcept {
  auto i = pending_.find(id);
  return i == pending_.end() ? nullptr : i->second;
}

effect_base* invocation::find(const journal::address& at) noexcept {
  for (auto& [_, e] : pending_)
    if (e->seq_ == at.seq && e->on_->path() == at.path)
      return e;
  return nullptr;
}

void invocation::event_line(level l, std::string_view name, const effect_base* e,
                            std::string result,
                            std::vector<std::pair<std::string, std::string>> fields) const {
  event line;
  line.lvl = l;
  line.name = name;
  line.invocation = who_.id;
  line.agent = who_.agent;
  if (e != nullptr) {
    line.service = service_of(*e);
    fields.emplace_back("at", to_json(to_string(e->at())));
  }
  line.result = std::move(result);
  line.fields = std::move(fields);
  world_.env.events.write(line);
}

} // namespace troupe
