// From a line of JSON to an entry.
#include "runtime/journal/address_text.hpp"
#include "runtime/journal/export_line.hpp"

#include <charconv>

namespace troupe::journal::detail {
namespace {

bool from_hex(std::string_view digits, std::string& bytes) {
  bytes.clear();
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    unsigned char byte = 0;
    auto [end, failed] = std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
    if (failed != std::errc{} || end != digits.data() + i + 2)
      return false;
    bytes.push_back(static_cast<char>(byte));
  }
  return digits.size() % 2 == 0;
}

utc_time time_of(const std::optional<std::int64_t>& us) {
  return us ? utc_time{std::chrono::microseconds{*us}} : never;
}

error error_of(error_line&& from) {
  error out{errc_from(from.code), std::move(from.message)};
  if (from.may_have_happened.value_or(false))
    out.outcome = certainty::unknown;
  if (from.retry_after_ms)
    out.retry_after = std::chrono::milliseconds{*from.retry_after_ms};
  return out;
}

/// Reads them back; the first mistake stays.
class from_fields {
public:
  explicit from_fields(entry_line& line) : in_(line) {}

  bool operator()(started& e) {
    e.agent = in_.agent.value_or("");
    e.version = in_.version.value_or("");
    e.created = time_of(in_.when_us);
    e.deadline = time_of(in_.deadline_us);
    e.traceparent = in_.traceparent.value_or("");
    return value(e.input);
  }
  bool operator()(command& e) {
    auto cls = effect_class_from(in_.effect_class.value_or(""));
    if (!cls)
      return fail("effect_class: expected pure, read, idempotent or at_most_once");
    e.cls = *cls;
    e.name = in_.name.value_or("");
    e.key = in_.key.value_or("");
    e.sent = time_of(in_.when_us);
    if (in_.arguments) {
      auto& text = *in_.arguments;
      auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), e.arguments, 16);
      if (failed != std::errc{} || end != text.data() + text.size())
        return fail("arguments: expected 16 hex digits");
    }
    if (!in_.messages)
      return at(e.at) && kind(e.kind) && value(e.detail);
    auto last = digest_from_hex(*in_.messages);
    e.detail.stored = true;
    e.detail.hash = last.value_or(digest{});
    return at(e.at) && kind(e.kind) && (last || fail("messages: expected 64 hex digits"));
  }
  bool operator()(completion& e) {
    e.when = time_of(in_.when_us);
    e.signal = in_.signal.value_or(0);
    return at(e.at) && outcome(e.ok, e.value, e.failure);
  }
  bool operator()(local& e) { return at(e.at) && kind(e.kind) && value(e.value); }
  bool operator()(note& e) {
    e.name = in_.name.value_or("");
    e.when = time_of(in_.when_us);
    return value(e.detail);
  }
  bool operator()(signalled& e) {
    e.id = in_.signal.value_or(0);
    e.name = in_.name.value_or("");
    e.when = time_of(in_.when_us);
    return value(e.value);
  }
  bool operator()(cancel_asked& e) {
    e.when = time_of(in_.when_us);
    for (auto r : {cancel_reason::requested, cancel_reason::deadline, cancel_reason::parent})
      if (in_.why == to_string(r)) {
        e.reason = r;
        return true;
      }
    return fail("why: expected requested, deadline or parent");
  }
  bool operator()(cancel_delivered&) { return true; }
  bool operator()(generation_began& e) {
    if (in_.patches)
      for (auto& p : *in_.patches)
        e.patches.emplace_back(std::move(p.id), p.answer);
    return value(e.state);
  }
  bool operator()(run_began& e) {
    e.kept = in_.kept.value_or(0);
    return true;
  }
  bool operator()(parked& e) {
    e.why = in_.why.value_or("");
    e.since = time_of(in_.when_us);
    return at(e.at);
  }
  bool operator()(resolved& e) {
    for (std::size_t i = 0; i < verdicts.size(); ++i)
      if (in_.decision == verdicts[i]) {
        e.decision = static_cast<verdict>(i);
        return at(e.at) && value(e.value);
      }
    return fail("decision: expected done, not_done or abort");
  }
  bool operator()(state_loaded& e) { return value(e.state); }
  bool operator()(compensated& e) {
    e.when = time_of(in_.when_us);
    auto by = address_from(in_.by.value_or(""));
    if (!by)
      return fail("by: expected an address like 3.0/1");
    e.by = std::move(*by);
    return at(e.step);
  }
  bool operator()(answered_by& e) {
    e.effect = in_.by.value_or("");
    e.invocation = in_.invocation.value_or(0);
    return at(e.at);
  }
  bool operator()(died& e) {
    e.what = in_.why.value_or("");
    e.when = time_of(in_.when_us);
    return at(e.at);
  }
  bool operator()(ended& e) {
    e.when = time_of(in_.when_us);
    return outcome(e.ok, e.value, e.failure);
  }

  const std::string& what() const noexcept { return what_; }

private:
  bool fail(std::string what) {
    what_ = std::move(what);
    return false;
  }
  bool at(address& out) {
    auto found = address_from(in_.at.value_or(""));
    if (!found)
      return fail("at: expected an address like 3.0/1");
    out = std::move(*found);
    return true;
  }
  bool kind(effect_kind& out) {
    for (auto k = effect_kind::tool; k <= effect_kind::race;
         k = static_cast<effect_kind>(static_cast<int>(k) + 1))
      if (in_.kind == to_string(k)) {
        out = k;
        return true;
      }
    return fail("kind: no such kind of effect");
  }
  bool value(payload& out) {
    auto json = in_.value ? std::string_view{in_.value->text} : "null";
    return bytes_of(json, out.text) || fail("value: expected {\"$text\":..} or {\"$hex\":..}");
  }
  bool outcome(bool& ok, payload& out, error& why) {
    ok = in_.ok.value_or(false);
    if (ok)
      return value(out);
    if (!in_.error)
      return fail("error: is missing where ok is not true");
    why = error_of(std::move(*in_.error));
    return true;
  }

  entry_line& in_;
  std::string what_;
};

template <std::size_t... I>
std::optional<entry> entry_named(std::string_view name, std::index_sequence<I...>) {
  std::optional<entry> found;
  auto look = [&](entry e) {
    if (name_of(e) == name)
      found = std::move(e);
  };
  (look(entry{std::in_place_index<I>}), ...);
  return found;
}

} // namespace

bool bytes_of(std::string_view json, std::string& bytes) {
  if (!json.starts_with("{\"$")) {
    bytes = json;
    return true;
  }
  using wrapped = std::map<std::string, std::string>;
  auto in = from_json<wrapped>(json, value_limits);
  if (!in || in->size() != 1)
    return false;
  auto& [how, text] = *in->begin();
  if (how == "$hex")
    return from_hex(text, bytes);
  bytes = text;
  return how == "$text";
}

result<entry> from_line(entry_line&& line) {
  auto kinds = std::make_index_sequence<std::variant_size_v<entry>>{};
  auto out = entry_named(line.entry, kinds);
  if (!out)
    return error{errc::invalid_input, "entry: no such kind of entry"};
  from_fields read{line};
  if (!std::visit([&](auto& e) { return read(e); }, *out))
    return error{errc::invalid_input, read.what()};
  return std::move(*out);
}

} // namespace troupe::journal::detail
