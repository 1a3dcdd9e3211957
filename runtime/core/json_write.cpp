#include "runtime/core/json_text.hpp"
#include "runtime/core/utf8.hpp"

#include <charconv>
#include <cmath>

namespace troupe {

namespace {

void append_escaped(std::string& out, unsigned char c) {
  static constexpr char digits[] = "0123456789abcdef";
  out += '\\';
  switch (c) {
    case '"':
    case '\\':
      out += static_cast<char>(c);
      break;
    case '\b':
      out += 'b';
      break;
    case '\f':
      out += 'f';
      break;
    case '\n':
      out += 'n';
      break;
    case '\r':
      out += 'r';
      break;
    case '\t':
      out += 't';
      break;
    default:
      out += "u00";
      out += digits[c >> 4U];
      out += digits[c & 0xFU];
  }
}

template <class Number>
void append_number(std::string& out, Number value) {
  char text[32]; // the longest double has 24 characters
  auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

} // namespace

void append_string(std::string& out, std::string_view text) {
  out += '"';
  auto at = text.data();
  auto end = at + text.size();
  while (at != end) {
    auto stop = utf8::plain_end(at, end);
    out.append(at, stop);
    at = stop;
    if (at == end)
      break;
    auto c = static_cast<unsigned char>(*at);
    if (c < 0x80) {
      append_escaped(out, c);
      ++at;
    } else if (auto size = utf8::sequence_size(at, end); size > 0) {
      out.append(at, size);
      at += size;
    } else {
      out += "\xEF\xBF\xBD";
      ++at;
    }
  }
  out += '"';
}

void append_integer(std::string& out, std::int64_t value) {
  append_number(out, value);
}

void append_natural(std::string& out, std::uint64_t value) {
  append_number(out, value);
}

void append_real(std::string& out, double value) {
  if (std::isfinite(value))
    append_number(out, value);
  else
    out += "null";
}

void append_real(std::string& out, float value) {
  if (std::isfinite(value))
    append_number(out, value);
  else
    out += "null";
}

void append_object(std::string& out, json_members members, const void* owner) {
  auto before = '{';
  for (std::size_t i = 0; i < members.count; ++i) {
    const auto& m = members.first[i];
    out += before;
    out += '"';
    out += m.name; // a C++ identifier needs no escapes
    out += "\":";
    m.write(out, owner);
    before = ',';
  }
  if (members.count == 0)
    out += '{';
  out += '}';
}

} // namespace troupe
