#include "runtime/core/json_text.hpp"
#include "runtime/core/utf8.hpp"

#include <array>

namespace troupe {

namespace {

// A struct that is being read: which members came, and which is likely to come next.
struct open_struct {
  json_members members;
  void* owner;
  std::size_t expected = 0;
  std::array<std::uint64_t, json_members::count_max / 64> seen{};

  const json_member* find(std::string_view name) {
    for (std::size_t i = 0; i < members.count; ++i) {
      auto at = expected + i;
      at = at < members.count ? at : at - members.count;
      if (members.first[at].name != name)
        continue;
      expected = at + 1 < members.count ? at + 1 : 0;
      seen[at / 64] |= std::uint64_t{1} << (at % 64);
      return members.first + at;
    }
    return nullptr;
  }
};

} // namespace

// A key and its colon. `out` views the text, or `scratch` where the key has escapes.
bool json_reader::key(std::string_view& out, std::string& scratch) {
  if (peek() != json_kind::string)
    return malformed("a key");
  auto start = at_ + 1;
  auto stop = utf8::plain_end(start, end_);
  if (stop != end_ && *stop == '"') {
    out = {start, static_cast<std::size_t>(stop - start)};
    at_ = stop + 1;
  } else {
    if (!string(scratch))
      return false;
    out = scratch;
  }
  peek();
  if (at_ == end_ || *at_ != ':')
    return malformed("':'");
  ++at_;
  return true;
}

bool json_reader::enter(char open) {
  if (peek() != (open == '[' ? json_kind::array : json_kind::object))
    return mismatch(open == '[' ? "array" : "object");
  if (depth_left_ == 0)
    return fail("nested deeper than json_limits::depth_max");
  --depth_left_;
  ++at_;
  return true;
}

// After the opening bracket or an element: is there `more`?
bool json_reader::next(char close, bool first, bool& more) {
  peek();
  more = false;
  if (at_ != end_ && *at_ == close) {
    ++at_;
    ++depth_left_;
    return true;
  }
  more = true;
  if (first)
    return true;
  if (at_ == end_ || *at_ != ',')
    return malformed(close == ']' ? "',' or ']'" : "',' or '}'");
  ++at_;
  return true;
}

bool json_reader::array(item_reader item, void* into) {
  if (!enter('['))
    return false;
  for (std::size_t i = 0;; ++i) {
    auto more = false;
    if (!next(']', i == 0, more))
      return false;
    if (!more)
      return true;
    if (!item(*this, into))
      return within(std::to_string(i));
  }
}

bool json_reader::object(entry_reader entry, void* into) {
  if (!enter('{'))
    return false;
  std::string scratch;
  for (auto first = true;; first = false) {
    auto more = false;
    std::string_view name;
    if (!next('}', first, more))
      return false;
    if (!more)
      return true;
    if (!key(name, scratch))
      return false;
    if (!entry(*this, name, into))
      return within(name);
  }
}

bool json_reader::object(json_members members, void* owner) {
  open_struct open{members, owner};
  auto entry = [](json_reader& in, std::string_view name, void* into) {
    auto& target = *static_cast<open_struct*>(into);
    const auto* member = target.find(name);
    return member != nullptr ? member->read(in, target.owner) : in.skip();
  };
  if (!object(entry, &open))
    return false;
  for (std::size_t i = 0; i < members.count; ++i) {
    const auto& m = members.first[i];
    if ((open.seen[i / 64] >> (i % 64) & 1U) != 0)
      continue;
    if (m.absent == nullptr) {
      fail("missing");
      return within(m.name);
    }
    m.absent(owner);
  }
  return true;
}

bool json_reader::skip() {
  auto item = [](json_reader& in, void*) { return in.skip(); };
  auto entry = [](json_reader& in, std::string_view, void*) { return in.skip(); };
  bool flag = false;
  std::string_view spelling;
  switch (peek()) {
    case json_kind::array:
      return array(item, nullptr);
    case json_kind::object:
      return object(entry, nullptr);
    case json_kind::number:
      return number(spelling);
    case json_kind::boolean:
      return boolean(flag);
    case json_kind::string: {
      std::string forgotten;
      return string(forgotten);
    }
    default:
      return null();
  }
}

bool json_reader::raw(std::string& out) {
  peek();
  auto start = at_;
  if (!skip())
    return false;
  out.assign(start, at_);
  return true;
}

bool json_reader::end() {
  peek();
  return at_ == end_ && code_ == errc::none ? true : malformed("the end of the text");
}

} // namespace troupe
