#include "runtime/journal/entry.hpp"

#include "runtime/core/checksum.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace troupe::journal {
namespace {

void put_int(std::string& out, std::uint64_t v) {
  while (v >= 0x80) {
    out.push_back(static_cast<char>(v | 0x80U));
    v >>= 7U;
  }
  out.push_back(static_cast<char>(v));
}

void put(std::string& out, std::string_view s) {
  put_int(out, s.size());
  out.append(s);
}

// Times are signed; zigzag keeps dates before 1970 (a test's epoch) short as well.
void put(std::string& out, utc_time t) {
  auto v = t.time_since_epoch().count();
  put_int(out, (static_cast<std::uint64_t>(v) << 1U) ^ static_cast<std::uint64_t>(v >> 63));
}

void put(std::string& out, bool b) {
  out.push_back(b ? '\1' : '\0');
}

template <class E>
  requires std::is_enum_v<E>
void put(std::string& out, E e) {
  out.push_back(static_cast<char>(e));
}

void put(std::string& out, const address& a) {
  put(out, std::string_view{a.path});
  put_int(out, a.seq);
}

void put(std::string& out, const payload& p) {
  put(out, p.stored);
  if (p.stored)
    out.append(reinterpret_cast<const char*>(p.hash.bytes.data()), p.hash.bytes.size());
  else
    put(out, std::string_view{p.text});
}

void put(std::string& out, const error& e) {
  put(out, e.code);
  put(out, e.outcome);
  put(out, std::string_view{e.message});
  put_int(out, e.retry_after ? static_cast<std::uint64_t>(e.retry_after->count()) + 1 : 0);
}

struct encoder {
  std::string& out;

  void operator()(const started& e) const {
    put(out, std::string_view{e.agent});
    put(out, std::string_view{e.version});
    put(out, e.input);
    put(out, e.created);
    put(out, e.deadline);
    put(out, std::string_view{e.traceparent});
  }
  void operator()(const command& e) const {
    put(out, e.at);
    put(out, e.kind);
    put(out, e.cls);
    put(out, std::string_view{e.name});
    put_int(out, e.arguments);
    put(out, std::string_view{e.key});
    put(out, e.sent);
    put(out, e.detail);
  }
  void operator()(const completion& e) const {
    put(out, e.at);
    put(out, e.ok);
    if (e.ok)
      put(out, e.value);
    else
      put(out, e.failure);
    put(out, e.when);
    put_int(out, e.signal);
  }
  void operator()(const local& e) const {
    put(out, e.at);
    put(out, e.kind);
    put(out, e.value);
  }
  void operator()(const note& e) const {
    put(out, std::string_view{e.name});
    put(out, e.detail);
    put(out, e.when);
  }
  void operator()(const signalled& e) const {
    put_int(out, e.id);
    put(out, std::string_view{e.name});
    put(out, e.value);
    put(out, e.when);
  }
  void operator()(const cancel_asked& e) const {
    put(out, e.reason);
    put(out, e.when);
  }
  void operator()(const cancel_delivered&) const {}
  void operator()(const generation_began& e) const {
    put(out, e.state);
    put_int(out, e.patches.size());
    for (const auto& [id, answer] : e.patches) {
      put(out, std::string_view{id});
      put(out, answer);
    }
  }
  void operator()(const run_began& e) const { put_int(out, e.kept); }
  void operator()(const parked& e) const {
    put(out, e.at);
    put(out, std::string_view{e.why});
    put(out, e.since);
  }
  void operator()(const resolved& e) const {
    put(out, e.at);
    put(out, e.decision);
    put(out, e.value);
  }
  void operator()(const compensated& e) const {
    put(out, e.step);
    put(out, e.by);
    put(out, e.when);
  }
  void operator()(const answered_by& e) const {
    put(out, e.at);
    put_int(out, e.invocation);
    put(out, std::string_view{e.effect});
  }
  void operator()(const state_loaded& e) const { put(out, e.state); }
  void operator()(const died& e) const {
    put(out, e.at);
    put(out, std::string_view{e.what});
    put(out, e.when);
  }
  void operator()(const ended& e) const {
    put(out, e.ok);
    if (e.ok)
      put(out, e.value);
    else
      put(out, e.failure);
    put(out, e.when);
  }
};

// Reads what `encoder` wrote. After the first read past the end every further one fails too.
struct reader {
  std::string_view in;
  bool bad = false;

  std::uint64_t get_int() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in.empty()) {
        bad = true;
        return 0;
      }
      auto byte = static_cast<unsigned char>(in.front());
      in.remove_prefix(1);
      v |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80U) == 0)
        return v;
    }
    bad = true;
    return 0;
  }
  std::uint32_t get_u32() { return static_cast<std::uint32_t>(get_int()); }
  void get(std::string& s) {
    auto n = get_int();
    if (bad || n > in.size()) {
      bad = true;
      return;
    }
    s.assign(in.substr(0, n));
    in.remove_prefix(n);
  }
  void get(utc_time& t) {
    auto v = get_int();
    auto signed_v = static_cast<std::int64_t>(v >> 1U) ^ -static_cast<std::int64_t>(v & 1U);
    t = utc_time{std::chrono::microseconds{signed_v}};
  }
  std::uint8_t get_byte() {
    if (in.empty()) {
      bad = true;
      return 0;
    }
    auto b = static_cast<std::uint8_t>(in.front());
    in.remove_prefix(1);
    return b;
  }
  void get(bool& b) { b = get_byte() != 0; }
  template <class E>
    requires std::is_enum_v<E>
  void get(E& e) {
    e = static_cast<E>(get_byte());
  }
  void get(address& a) {
    get(a.path);
    a.seq = get_u32();
  }
  void get(payload& p) {
    get(p.stored);
    if (!p.stored) {
      get(p.text);
      return;
    }
    if (in.size() < p.hash.bytes.size()) {
      bad = true;
      return;
    }
    std::memcpy(p.hash.bytes.data(), in.data(), p.hash.bytes.size());
    in.remove_prefix(p.hash.bytes.size());
  }
  void get(error& e) {
    get(e.code);
    get(e.outcome);
    get(e.message);
    if (auto after = get_int(); after > 0)
      e.retry_after = std::chrono::milliseconds{after - 1};
  }
};

struct decoder {
  reader& in;

  void operator()(started& e) const {
    in.get(e.agent);
    in.get(e.version);
    in.get(e.input);
    in.get(e.created);
    in.get(e.deadline);
    in.get(e.traceparent);
  }
  void operator()(command& e) const {
    in.get(e.at);
    in.get(e.kind);
    in.get(e.cls);
    in.get(e.name);
    e.arguments = in.get_int();
    in.get(e.key);
    in.get(e.sent);
    in.get(e.detail);
  }
  void operator()(completion& e) const {
    in.get(e.at);
    in.get(e.ok);
    if (e.ok)
      in.get(e.value);
    else
      in.get(e.failure);
    in.get(e.when);
    e.signal = in.get_int();
  }
  void operator()(local& e) const {
    in.get(e.at);
    in.get(e.kind);
    in.get(e.value);
  }
  void operator()(note& e) const {
    in.get(e.name);
    in.get(e.detail);
    in.get(e.when);
  }
  void operator()(signalled& e) const {
    e.id = in.get_int();
    in.get(e.name);
    in.get(e.value);
    in.get(e.when);
  }
  void operator()(cancel_asked& e) const {
    in.get(e.reason);
    in.get(e.when);
  }
  void operator()(cancel_delivered&) const {}
  void operator()(generation_began& e) const {
    in.get(e.state);
    auto n = in.get_int();
    for (std::uint64_t i = 0; i < n && !in.bad; ++i) {
      auto& [id, answer] = e.patches.emplace_back();
      in.get(id);
      in.get(answer);
    }
  }
  void operator()(run_began& e) const { e.kept = in.get_u32(); }
  void operator()(parked& e) const {
    in.get(e.at);
    in.get(e.why);
    in.get(e.since);
  }
  void operator()(resolved& e) const {
    in.get(e.at);
    in.get(e.decision);
    in.get(e.value);
  }
  void operator()(compensated& e) const {
    in.get(e.step);
    in.get(e.by);
    in.get(e.when);
  }
  void operator()(answered_by& e) const {
    in.get(e.at);
    e.invocation = in.get_int();
    in.get(e.effect);
  }
  void operator()(state_loaded& e) const { in.get(e.state); }
  void operator()(died& e) const {
    in.get(e.at);
    in.get(e.what);
    in.get(e.when);
  }
  void operator()(ended& e) const {
    in.get(e.ok);
    if (e.ok)
      in.get(e.value);
    else
      in.get(e.failure);
    in.get(e.when);
  }
};

// Builds the alternative with this index; false for an index that no alternative has.
template <std::size_t I = 0>
bool emplace(entry& e, std::size_t index) {
  if constexpr (I < std::variant_size_v<entry>) {
    if (index == I) {
      e.emplace<I>();
      return true;
    }
    return emplace<I + 1>(e, index);
  } else {
    return false;
  }
}

std::uint32_t row_checksum(std::string_view bytes, invocation_no owner) {
  // The owner is part of the sum, so that a row that strayed to another invocation is found.
  return checksum(bytes) ^ static_cast<std::uint32_t>(owner * 0x9E3779B97F4A7C15U >> 32U);
}

} // namespace

std::string_view to_string(effect_kind k) noexcept {
  constexpr std::array<std::string_view, 14> names{
    "?",      "tool", "model",  "run",  "invoke", "send",    "sleep",
    "signal", "now",  "random", "uuid", "emit",   "patched", "race"};
  auto i = static_cast<std::size_t>(k);
  return i < names.size() ? names[i] : names[0];
}

std::string_view to_string(cancel_reason r) noexcept {
  constexpr std::array<std::string_view, 3> names{"requested", "deadline", "parent"};
  auto i = static_cast<std::size_t>(r);
  return i < names.size() ? names[i] : names[0];
}

std::string to_string(const address& a) {
  return fmt::format("{}/{}", a.path.empty() ? "-" : a.path, a.seq);
}

std::string_view name_of(const entry& e) noexcept {
  constexpr std::array<std::string_view, std::variant_size_v<entry>> names{
    "started",          "command",          "completion", "local",  "note",
    "signalled",        "cancel_asked",     "cancel_delivered",
    "generation_began", "run_began",        "parked",     "resolved",
    "state_loaded",     "died",             "ended",      "compensated", "answered_by"};
  return names[e.index()];
}

void row_writer::add(const entry& e) {
  body_.push_back(static_cast<char>(e.index()));
  std::visit(encoder{body_}, e);
  ++count_;
}

void row_writer::add(const command& c) {
  body_.push_back(static_cast<char>(entry{std::in_place_type<command>}.index()));
  encoder{body_}(c);
  ++count_;
}

void row_writer::add(const completion& c) {
  body_.push_back(static_cast<char>(entry{std::in_place_type<completion>}.index()));
  encoder{body_}(c);
  ++count_;
}

std::string row_writer::take(invocation_no owner, std::uint32_t run, std::uint32_t generation) {
  std::string out;
  out.reserve(body_.size() + 16);
  out.push_back(static_cast<char>(format_version));
  put_int(out, run);
  put_int(out, generation);
  out += body_;
  auto sum = row_checksum(out, owner);
  for (unsigned shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<char>(sum >> shift));
  body_.clear();
  count_ = 0;
  return out;
}

result<row> decode_row(lsn at, invocation_no owner, std::string_view bytes) {
  auto corrupted = [&](std::string_view what) {
    return error{errc::corrupted,
                 fmt::format("journal row {} of invocation {}: {}", at, owner, what)};
  };
  if (bytes.size() < 7)
    return corrupted("too short");
  auto body = bytes.substr(0, bytes.size() - 4);
  std::uint32_t sum = 0;
  for (unsigned i = 0; i < 4; ++i)
    sum |= std::uint32_t{static_cast<unsigned char>(bytes[body.size() + i])} << (8 * i);
  if (sum != row_checksum(body, owner))
    return corrupted("checksum does not match");
  if (static_cast<std::uint8_t>(body.front()) != format_version)
    return corrupted(fmt::format("format version {} is not known here",
                                 static_cast<unsigned>(static_cast<unsigned char>(body.front()))));
  reader in{body.substr(1)};
  row out;
  out.at = at;
  out.run = in.get_u32();
  out.generation = in.get_u32();
  while (!in.in.empty() && !in.bad) {
    auto& e = out.entries.emplace_back();
    if (!emplace(e, in.get_byte()))
      return corrupted("unknown kind of entry");
    std::visit(decoder{in}, e);
  }
  if (in.bad)
    return corrupted("ends in the middle of an entry");
  return out;
}

} // namespace troupe::journal
