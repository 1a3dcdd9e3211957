#include "actors/gateway/journal_json.hpp"

#include "actors/gateway/json_out.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

namespace troupe::gateway {
namespace {

bool is_json(std::string_view text) {
  json_reader in{text};
  return in.skip() && in.end();
}

std::string_view to_string(journal::verdict v) {
  switch (v) {
  case journal::verdict::done:
    return "done";
  case journal::verdict::not_done:
    return "not_done";
  case journal::verdict::abort:
    break;
  }
  return "abort";
}

/// The fields of each kind of entry, beside those that all have.
struct fields_of {
  json_object_out& o;

  void at(const journal::address& a) { o.text("at", troupe::journal::to_string(a)); }
  void value(const char* name, const journal::payload& p) { append_payload(o.field(name), p); }

  void operator()(const journal::started& e) {
    o.text("agent", e.agent);
    o.text("version", e.version);
    value("input", e.input);
    o.some("when", e.created);
    o.some("deadline", e.deadline);
    o.some("traceparent", e.traceparent);
  }
  void operator()(const journal::command& e) {
    at(e.at);
    o.text("kind", to_string(e.kind));
    o.some("name", e.name);
    o.text("class", to_string(e.cls));
    o.some("key", e.key);
    o.some("sent", e.sent);
    if (!e.detail.text.empty() || e.detail.stored)
      value("arguments", e.detail);
  }
  void operator()(const journal::completion& e) {
    at(e.at);
    o.flag("ok", e.ok);
    if (e.ok)
      value("value", e.value);
    else
      append_error(o.field("error"), e.failure);
    o.some("when", e.when);
    if (e.signal != 0)
      o.number("signal", e.signal);
  }
  void operator()(const journal::local& e) {
    at(e.at);
    o.text("kind", to_string(e.kind));
    value("value", e.value);
  }
  void operator()(const journal::note& e) {
    o.text("name", e.name);
    value("detail", e.detail);
    o.some("when", e.when);
  }
  void operator()(const journal::signalled& e) {
    if (e.id != 0)
      o.number("signal", e.id);
    o.text("name", e.name);
    value("value", e.value);
    o.some("when", e.when);
  }
  void operator()(const journal::cancel_asked& e) {
    o.text("reason", to_string(e.reason));
    o.some("when", e.when);
  }
  void operator()(const journal::cancel_delivered&) {}
  void operator()(const journal::generation_began& e) { value("state", e.state); }
  void operator()(const journal::run_began& e) { o.number("kept", e.kept); }
  void operator()(const journal::parked& e) {
    at(e.at);
    o.text("why", e.why);
    o.some("when", e.since);
  }
  void operator()(const journal::resolved& e) {
    at(e.at);
    o.text("decision", to_string(e.decision));
    if (e.decision == journal::verdict::done)
      value("value", e.value);
  }
  void operator()(const journal::state_loaded& e) { value("state", e.state); }
  void operator()(const journal::compensated& e) {
    at(e.step);
    o.text("by", to_string(e.by));
    o.some("when", e.when);
  }
  void operator()(const journal::answered_by& e) {
    at(e.at);
    o.number("invocation", e.invocation);
    o.text("effect", e.effect);
  }
  void operator()(const journal::died& e) {
    at(e.at);
    o.text("what", e.what);
    o.some("when", e.when);
  }
  void operator()(const journal::ended& e) {
    o.flag("ok", e.ok);
    if (e.ok)
      value("value", e.value);
    else
      append_error(o.field("error"), e.failure);
    o.some("when", e.when);
  }
};

} // namespace

void append_payload(std::string& out, const journal::payload& p) {
  if (p.stored && p.text.empty()) {
    json_object_out o{out};
    o.text("blob", to_hex(p.hash));
    return;
  }
  if (p.text.empty()) {
    out += "null";
  } else if (p.text.size() > shown_max) {
    append_string(out, fmt::format("{}... ({} bytes)", p.text.substr(0, shown_max), p.text.size()));
  } else if (is_json(p.text)) {
    out += p.text;
  } else {
    append_string(out, p.text);
  }
}

void append_entry(std::string& out, const journal::row& row, const journal::entry& what) {
  json_object_out o{out};
  o.number("lsn", row.at);
  if (row.run != journal::outside)
    o.number("run", row.run);
  if (row.generation != journal::outside)
    o.number("generation", row.generation);
  o.text("entry", name_of(what));
  std::visit(fields_of{o}, what);
}

std::string journal_json(const std::vector<journal::row>& rows) {
  std::string out = "[";
  for (const auto& row : rows)
    for (const auto& what : row.entries) {
      if (out.size() > 1)
        out += ",\n";
      append_entry(out, row, what);
    }
  out += ']';
  return out;
}

} // namespace troupe::gateway
