#include "actors/gateway/views.hpp"

#include "actors/gateway/journal_json.hpp"
#include "actors/gateway/json_out.hpp"
#include "runtime/journal/replay.hpp"

#include <fmt/format.h>

#include <map>
#include <optional>

namespace troupe::gateway {
namespace {

using journal::address;

void append_record(json_object_out& o, std::string_view tag, const store::record& r) {
  o.text("id", store::invocation_id(tag, r.no));
  o.text("agent", r.agent);
  o.text("status", to_string(r.state));
  o.some("key", r.key);
  o.some("idempotency_key", r.idempotency_key);
  o.some("created", r.created);
  o.some("updated", r.updated);
  o.some("deadline", r.deadline);
  if (r.state == store::status::suspended)
    o.some("wakes", r.wake_at);
  if (r.parent != 0)
    o.text("parent", store::invocation_id(tag, r.parent));
  o.number("run", r.run);
  o.number("generation", r.generation);
}

/// What the rows say about where an invocation stands.
struct story {
  const journal::started* begun = nullptr;
  const journal::ended* end = nullptr;
  const journal::parked* parked = nullptr; ///< what `resolve` would settle
  bool has_parked = false;                 ///< one was, at some time
  const journal::note* paused = nullptr;
  std::vector<const journal::died*> deaths;
  std::map<address, const journal::command*> open;
  std::map<address, const journal::command*> asked;
  std::vector<const journal::compensated*> undone;
  std::uint64_t steps = 0;

  void read(const journal::row& row) {
    for (const auto& e : row.entries)
      std::visit([this](const auto& what) { take(what); }, e);
  }

private:
  void take(const journal::started& e) { begun = &e; }
  void take(const journal::command& e) {
    open[e.at] = asked[e.at] = &e;
    moved_on();
  }
  void take(const journal::completion& e) {
    open.erase(e.at);
    moved_on();
  }
  void take(const journal::local&) { moved_on(); }
  void take(const journal::note& e) {
    if (e.name == "paused")
      paused = &e;
  }
  void take(const journal::generation_began&) {
    open.clear();
    asked.clear();
    undone.clear();
  }
  void take(const journal::run_began&) {
    open.clear();
    undone.clear();
    deaths.clear();
    end = nullptr;
    paused = nullptr;
  }
  void take(const journal::parked&) { has_parked = true; }
  void take(const journal::resolved&) {}
  void take(const journal::died& e) { deaths.push_back(&e); }
  void take(const journal::ended& e) { end = &e; }
  void take(const journal::signalled&) {}
  void take(const journal::cancel_asked&) {}
  void take(const journal::cancel_delivered&) {}
  void take(const journal::state_loaded&) {}
  void take(const journal::compensated& e) { undone.push_back(&e); }
  void take(const journal::answered_by&) {}
  void moved_on() {
    ++steps;
    paused = nullptr;
  }
};

void append_open(std::string& out, const std::map<address, const journal::command*>& open) {
  out += '[';
  for (const auto& [at, c] : open) {
    if (out.back() != '[')
      out += ',';
    json_object_out o{out};
    o.text("at", to_string(at));
    o.text("kind", to_string(c->kind));
    o.some("name", c->name);
    // A sleep's command holds when it is due, that of everything else when it was sent.
    o.some(c->kind == journal::effect_kind::sleep ? "until" : "since", c->sent);
  }
  out += ']';
}

void append_parked(std::string& out, std::string_view id, const story& s) {
  json_object_out o{out};
  auto asked = s.open.find(s.parked->at);
  o.text("at", to_string(s.parked->at));
  if (asked != s.open.end()) {
    o.text("effect", fmt::format("{} {}", to_string(asked->second->kind), asked->second->name));
    o.some("key", asked->second->key);
    append_payload(o.field("arguments"), asked->second->detail);
  }
  o.text("why", s.parked->why);
  o.some("since", s.parked->since);
  auto& settle = o.field("settle");
  settle += '[';
  for (auto decision : {"--done JSON", "--not-done", "--abort"}) {
    if (settle.back() != '[')
      settle += ',';
    append_string(settle, fmt::format("troupe resolve {} {} --at={}", id, decision,
                                      to_string(s.parked->at)));
  }
  settle += ']';
}

void append_undone(std::string& out, const story& s) {
  out += '[';
  for (const auto* u : s.undone) {
    if (out.back() != '[')
      out += ',';
    auto step = s.asked.find(u->step);
    json_object_out o{out};
    o.text("at", to_string(u->step));
    if (step != s.asked.end())
      o.text("effect", fmt::format("{} {}", to_string(step->second->kind), step->second->name));
    o.text("by", to_string(u->by));
    o.some("when", u->when);
  }
  out += ']';
}

void append_deaths(std::string& out, const std::vector<const journal::died*>& deaths) {
  out += '[';
  for (const auto* d : deaths) {
    if (out.back() != '[')
      out += ',';
    json_object_out o{out};
    o.text("at", to_string(d->at));
    o.text("what", d->what);
    o.some("when", d->when);
  }
  out += ']';
}

void append_story(std::string& out, std::string_view tag, const store::record& r, const story& s,
                  const error* problem) {
  json_object_out o{out};
  append_record(o, tag, r);
  if (s.begun != nullptr) {
    o.text("version", s.begun->version);
    append_payload(o.field("input"), s.begun->input);
  }
  o.number("steps", s.steps);
  if (s.end != nullptr && s.end->ok)
    append_payload(o.field("result"), s.end->value);
  else if (s.end != nullptr)
    append_error(o.field("error"), s.end->failure);
  if (s.end == nullptr && !s.open.empty())
    append_open(o.field("waits_for"), s.open);
  if (s.end == nullptr && s.parked != nullptr)
    append_parked(o.field("parked"), store::invocation_id(tag, r.no), s);
  if (r.state == store::status::paused && s.paused != nullptr) {
    json_object_out p{o.field("paused")};
    append_payload(p.field("why"), s.paused->detail);
    p.some("since", s.paused->when);
  }
  if (!s.undone.empty())
    append_undone(o.field("undone"), s);
  if (!s.deaths.empty())
    append_deaths(o.field("deaths"), s.deaths);
  if (problem != nullptr)
    append_error(o.field("problem"), *problem);
}

} // namespace

std::string record_json(std::string_view tag, const store::record& r) {
  std::string out;
  {
    json_object_out o{out};
    append_record(o, tag, r);
  }
  return out;
}

std::string story_json(std::string_view tag, const store::record& r,
                       const std::vector<journal::row>& rows, const error* problem) {
  story s;
  for (const auto& row : rows)
    s.read(row);
  // The dispatcher's own answer to which one is settled next; few journals are read twice for it.
  auto past = s.has_parked ? journal::replay{rows} : journal::replay{};
  s.parked = past.undecided();
  std::string out;
  append_story(out, tag, r, s, problem);
  return out;
}

} // namespace troupe::gateway
