#include "runtime/journal/export_line.hpp"

#include <fmt/format.h>

namespace troupe::journal::detail {
namespace {

bool is_one_line_of_json(std::string_view bytes) {
  if (bytes.empty() || bytes.front() <= ' ' || bytes.back() == ' ' || bytes.starts_with("{\"$")
      || bytes.find_first_of("\r\n\t") != bytes.npos)
    return false;
  json_reader in{bytes, value_limits};
  return in.skip() && in.end();
}

std::optional<std::int64_t> some(utc_time t) {
  if (t == never)
    return std::nullopt;
  return t.time_since_epoch().count();
}

std::optional<std::string> some(std::string_view text) {
  if (text.empty())
    return std::nullopt;
  return std::string{text};
}

error_line line_of(const error& e) {
  error_line out{std::string{to_string(e.code)}, e.message, std::nullopt, std::nullopt};
  if (e.outcome == certainty::unknown)
    out.may_have_happened = true;
  if (e.retry_after)
    out.retry_after_ms = e.retry_after->count();
  return out;
}

/// Fills in what each kind of entry has.
struct to_fields {
  entry_line& o;

  void value(const payload& p) const { o.value = raw_json{value_of(p.text)}; }
  void outcome(bool ok, const payload& p, const error& why) const {
    o.ok = ok;
    if (ok)
      value(p);
    else
      o.error = line_of(why);
  }

  void operator()(const started& e) const {
    o.agent = e.agent;
    o.version = e.version;
    value(e.input);
    o.when_us = some(e.created);
    o.deadline_us = some(e.deadline);
    o.traceparent = some(e.traceparent);
  }
  void operator()(const command& e) const {
    o.at = to_string(e.at);
    o.kind = to_string(e.kind);
    o.name = some(e.name);
    o.effect_class = to_string(e.cls);
    if (e.arguments != 0)
      o.arguments = fmt::format("{:016x}", e.arguments);
    o.key = some(e.key);
    o.when_us = some(e.sent);
    if (e.detail.stored)
      o.messages = to_hex(e.detail.hash);
    else
      value(e.detail);
  }
  void operator()(const completion& e) const {
    o.at = to_string(e.at);
    outcome(e.ok, e.value, e.failure);
    o.when_us = some(e.when);
    if (e.signal != 0)
      o.signal = e.signal;
  }
  void operator()(const local& e) const {
    o.at = to_string(e.at);
    o.kind = to_string(e.kind);
    value(e.value);
  }
  void operator()(const note& e) const {
    o.name = e.name;
    value(e.detail);
    o.when_us = some(e.when);
  }
  void operator()(const signalled& e) const {
    if (e.id != 0)
      o.signal = e.id;
    o.name = e.name;
    value(e.value);
    o.when_us = some(e.when);
  }
  void operator()(const cancel_asked& e) const {
    o.why = to_string(e.reason);
    o.when_us = some(e.when);
  }
  void operator()(const cancel_delivered&) const {}
  void operator()(const generation_began& e) const {
    value(e.state);
    if (e.patches.empty())
      return;
    auto& all = o.patches.emplace();
    for (const auto& [id, yes] : e.patches)
      all.push_back({id, yes});
  }
  void operator()(const run_began& e) const { o.kept = e.kept; }
  void operator()(const parked& e) const {
    o.at = to_string(e.at);
    o.why = e.why;
    o.when_us = some(e.since);
  }
  void operator()(const resolved& e) const {
    o.at = to_string(e.at);
    o.decision = verdicts[static_cast<std::size_t>(e.decision)];
    value(e.value);
  }
  void operator()(const state_loaded& e) const { value(e.state); }
  void operator()(const compensated& e) const {
    o.at = to_string(e.step);
    o.by = to_string(e.by);
    o.when_us = some(e.when);
  }
  void operator()(const answered_by& e) const {
    o.at = to_string(e.at);
    o.by = e.effect;
    o.invocation = e.invocation;
  }
  void operator()(const died& e) const {
    o.at = to_string(e.at);
    o.why = e.what;
    o.when_us = some(e.when);
  }
  void operator()(const ended& e) const {
    outcome(e.ok, e.value, e.failure);
    o.when_us = some(e.when);
  }
};

} // namespace

std::string value_of(std::string_view bytes) {
  if (is_one_line_of_json(bytes))
    return std::string{bytes};
  std::string out = "{\"$text\":";
  append_string(out, bytes);
  out += '}';
  if (std::string back; bytes_of(out, back) && back == bytes)
    return out;
  out = "{\"$hex\":\"";
  for (auto c : bytes)
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned char>(c));
  return out + "\"}";
}

entry_line to_line(const row& from, const entry& e) {
  entry_line out;
  out.entry = name_of(e);
  out.lsn = from.at;
  if (from.run != outside)
    out.run = from.run;
  if (from.generation != outside)
    out.generation = from.generation;
  std::visit(to_fields{out}, e);
  return out;
}

} // namespace troupe::journal::detail
