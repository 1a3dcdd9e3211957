#include "runtime/core/json_text.hpp"
#include "runtime/core/utf8.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t path_key_max = 64; // bytes of a key that an error message repeats

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

bool is_space(char c) noexcept {
  return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

const char* digits_end(const char* at, const char* end) noexcept {
  while (at != end && is_digit(*at))
    ++at;
  return at;
}

// Past the number that begins at `at`, or null where it breaks the grammar.
const char* number_end(const char* at, const char* end) noexcept {
  if (at != end && *at == '-')
    ++at;
  if (at == end || !is_digit(*at))
    return nullptr;
  at = *at == '0' ? at + 1 : digits_end(at, end);
  if (at != end && *at == '.') {
    auto fraction = at + 1;
    at = digits_end(fraction, end);
    if (at == fraction)
      return nullptr;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-'))
      ++at;
    auto exponent = at;
    at = digits_end(exponent, end);
    if (at == exponent)
      return nullptr;
  }
  return at;
}

int hex_value(char c) noexcept {
  if (is_digit(c))
    return c - '0';
  auto lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// The four digits at `at`, or -1.
std::int32_t hex4(const char* at, const char* end) noexcept {
  if (end - at < 4)
    return -1;
  std::int32_t out = 0;
  for (int i = 0; i < 4; ++i) {
    auto digit = hex_value(at[i]);
    if (digit < 0)
      return -1;
    out = out * 16 + digit;
  }
  return out;
}

// An integer that is spelled as `3.0` or `3e2`; false where it has a fraction or is out of range.
template <class Int>
bool integral(std::string_view text, Int& out) noexcept {
  double value = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  auto limit = std::ldexp(1.0, std::numeric_limits<Int>::digits);
  auto floor = std::is_signed_v<Int> ? -limit : 0.0;
  if (read.ec != std::errc{} || std::trunc(value) != value || value < floor || value >= limit)
    return false;
  out = static_cast<Int>(value);
  return true;
}

template <class Int>
bool parse_integer(json_reader& in, Int& out, Int min, Int max) {
  if (in.peek() != json_kind::number)
    return in.mismatch("integer");
  std::string_view text;
  if (!in.number(text))
    return false;
  out = 0;
  auto end = text.data() + text.size();
  auto read = std::from_chars(text.data(), end, out);
  auto plain = read.ec == std::errc{} && read.ptr == end;
  auto spelled_plain = text.find_first_of(".eE") == std::string_view::npos;
  if (!plain && !spelled_plain && !integral(text, out))
    return in.fail("expected integer, found a number with a fraction or out of range");
  if ((!plain && spelled_plain && text != "-0") || out < min || out > max)
    return in.fail("expected integer from " + std::to_string(min) + " to " + std::to_string(max)
                   + ", found one out of that range");
  return true;
}

} // namespace

std::string_view to_string(json_kind kind) noexcept {
  static constexpr std::array<std::string_view, 7> names
    = {"null", "boolean", "number", "string", "array", "object", "no value"};
  return names[static_cast<std::size_t>(kind)];
}

json_reader::json_reader(std::string_view text, json_limits limits)
  : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), depth_left_(limits.depth_max) {
  if (text.size() > limits.bytes_max) {
    fail("JSON of " + std::to_string(text.size()) + " bytes is larger than json_limits::bytes_max ("
           + std::to_string(limits.bytes_max) + ")",
         errc::output_too_large);
    at_ = end_; // nothing can be read any more
  }
}

json_kind json_reader::peek() noexcept {
  while (at_ != end_ && is_space(*at_))
    ++at_;
  switch (at_ == end_ ? '\0' : *at_) {
    case 'n':
      return json_kind::null;
    case 't':
    case 'f':
      return json_kind::boolean;
    case '"':
      return json_kind::string;
    case '[':
      return json_kind::array;
    case '{':
      return json_kind::object;
    case '-':
      return json_kind::number;
    default:
      return at_ != end_ && is_digit(*at_) ? json_kind::number : json_kind::none;
  }
}

bool json_reader::null() {
  return peek() == json_kind::null ? literal("null") : mismatch("null");
}

bool json_reader::boolean(bool& out) {
  if (peek() != json_kind::boolean)
    return mismatch("boolean");
  out = *at_ == 't';
  return literal(out ? "true" : "false");
}

bool json_reader::integer(std::int64_t& out, std::int64_t min, std::int64_t max) {
  return parse_integer(*this, out, min, max);
}

bool json_reader::natural(std::uint64_t& out, std::uint64_t max) {
  return parse_integer(*this, out, std::uint64_t{0}, max);
}

bool json_reader::number(std::string_view& out) {
  if (peek() != json_kind::number)
    return mismatch("number");
  auto stop = number_end(at_, end_);
  if (stop == nullptr)
    return malformed("a number");
  out = {at_, static_cast<std::size_t>(stop - at_)};
  at_ = stop;
  return true;
}

template <class Real>
bool json_reader::parse_real(Real& out) {
  std::string_view text;
  if (!number(text))
    return false;
  auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec == std::errc{})
    return true;
  if (text.find("e-") == std::string_view::npos && text.find("E-") == std::string_view::npos)
    return fail("number is out of range");
  out = 0;
  return true;
}

bool json_reader::real(double& out) {
  return parse_real(out);
}

bool json_reader::real(float& out) {
  return parse_real(out);
}

bool json_reader::string(std::string& out) {
  if (peek() != json_kind::string)
    return mismatch("string");
  auto start = at_ + 1;
  auto stop = utf8::plain_end(start, end_);
  out.assign(start, stop);
  at_ = stop;
  if (at_ != end_ && *at_ == '"') {
    ++at_;
    return true;
  }
  return escaped(out);
}

// The rest of a string from its first character that is not plain.
bool json_reader::escaped(std::string& out) {
  while (at_ != end_ && *at_ != '"') {
    auto c = static_cast<unsigned char>(*at_);
    if (c < 0x20)
      return malformed("no bare control character in a string");
    if (c >= 0x80) {
      auto size = utf8::sequence_size(at_, end_);
      if (size == 0)
        return malformed("UTF-8");
      out.append(at_, size);
      at_ += size;
      continue;
    }
    if (c != '\\') {
      auto stop = utf8::plain_end(at_, end_);
      out.append(at_, stop);
      at_ = stop;
      continue;
    }
    if (!escape(out))
      return false;
  }
  if (at_ == end_)
    return malformed("the end of a string");
  ++at_;
  return true;
}

bool json_reader::escape(std::string& out) {
  static constexpr std::string_view from = "\"\\/bfnrt";
  static constexpr std::string_view to = "\"\\/\b\f\n\r\t";
  if (end_ - at_ < 2)
    return malformed("the end of a string");
  if (auto i = from.find(at_[1]); i != std::string_view::npos) {
    out += to[i];
    at_ += 2;
    return true;
  }
  auto high = at_[1] == 'u' ? hex4(at_ + 2, end_) : -1;
  if (high < 0)
    return malformed("an escape that JSON knows");
  auto point = static_cast<std::uint32_t>(high);
  auto size = 6;
  if (point >= 0xD800 && point <= 0xDFFF) {
    auto pair = end_ - at_ >= 12 && at_[6] == '\\' && at_[7] == 'u';
    auto low = pair && point <= 0xDBFF ? hex4(at_ + 8, end_) : -1;
    if (low < 0xDC00 || low > 0xDFFF)
      return malformed("two halves of a surrogate pair");
    point = 0x10000 + ((point - 0xD800) << 10U) + (static_cast<std::uint32_t>(low) - 0xDC00);
    size = 12;
  }
  utf8::append(out, point);
  at_ += size;
  return true;
}

bool json_reader::literal(std::string_view word) {
  if (!std::string_view{at_, static_cast<std::size_t>(end_ - at_)}.starts_with(word))
    return malformed(word);
  at_ += word.size();
  return true;
}

bool json_reader::fail(std::string what, errc code) {
  if (code_ == errc::none) {
    what_ = std::move(what);
    code_ = code;
  }
  return false;
}

bool json_reader::malformed(std::string_view expected) {
  return fail("not JSON: expected " + std::string{expected} + " at byte "
              + std::to_string(position()));
}

bool json_reader::mismatch(std::string_view expected) {
  auto found = peek();
  if (found == json_kind::none)
    return malformed(expected);
  return fail("expected " + std::string{expected} + ", found " + std::string{to_string(found)});
}

bool json_reader::within(std::string_view key) {
  std::string step = "/";
  for (auto c : key.substr(0, path_key_max)) {
    if (c == '~' || c == '/')
      step += c == '~' ? "~0" : "~1";
    else
      step += c;
  }
  path_.insert(0, step);
  return false;
}

error json_reader::take_error() && {
  return {code_ == errc::none ? errc::internal : code_,
          (path_.empty() ? "/" : path_) + ": " + what_};
}

} // namespace troupe
