#include "actors/llm/json_mend.hpp"

#include "runtime/core/json.hpp"
#include "runtime/core/utf8.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

namespace troupe {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$';
}

/// Reads from `in_`, writes strict JSON to `out_`. Each reader is false where it would have to
/// guess.
class mender {
public:
  explicit mender(std::string_view text) : in_(text) {}

  std::optional<mended_json> read() && {
    if (!skip_blanks() || !value(0))
      return std::nullopt;
    return mended_json{std::move(out_), at_, changed_};
  }

private:
  bool end() const { return at_ >= in_.size(); }
  char peek() const { return end() ? '\0' : in_[at_]; }

  bool value(std::size_t depth) {
    switch (peek()) {
      case '{':
      case '[':
        return depth < mend_depth_max && container(depth);
      case '"':
      case '\'':
        return string();
      default:
        return is_digit(peek()) || peek() == '-' ? number() : word();
    }
  }

  // An object or an array: the same but for the keys.
  bool container(std::size_t depth) {
    bool object = peek() == '{';
    char closing = object ? '}' : ']';
    out_ += in_[at_++];
    for (bool first = true;; first = false) {
      if (!skip_blanks())
        return false;
      if (peek() == closing)
        return close(closing, true);
      // After a whole value only the bracket is missing, unless a comment took it along.
      if (end())
        return !first && !line_comment_ && close(closing, false);
      if (!first) {
        if (peek() != ',')
          return false;
        ++at_;
        if (!skip_blanks())
          return false;
        if (peek() == closing) {
          changed_ = true;
          return close(closing, true);
        }
        out_ += ',';
      }
      if ((object && !key()) || !skip_blanks() || !value(depth + 1))
        return false;
    }
  }

  bool close(char closing, bool there) {
    if (there)
      ++at_;
    else
      changed_ = true;
    out_ += closing;
    return true;
  }

  bool key() {
    if (peek() == '"' || peek() == '\'') {
      if (!string())
        return false;
    } else {
      auto begin = at_;
      while (!end() && is_word(peek()))
        ++at_;
      if (at_ == begin || is_digit(in_[begin]))
        return false;
      out_ += '"';
      out_ += in_.substr(begin, at_ - begin);
      out_ += '"';
      changed_ = true;
    }
    if (!skip_blanks() || peek() != ':')
      return false;
    ++at_;
    out_ += ':';
    return true;
  }

  bool string() {
    char quote = in_[at_++];
    changed_ = changed_ || quote != '"';
    out_ += '"';
    while (!end()) {
      char c = in_[at_++];
      if (c == quote) {
        out_ += '"';
        return true;
      }
      if (c == '\\') {
        if (!escape())
          return false;
      } else if (c == '"') {
        out_ += "\\\"";
      } else if (static_cast<unsigned char>(c) < 0x20) {
        out_ += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        changed_ = true;
      } else if (static_cast<unsigned char>(c) < 0x80) {
        out_ += c;
      } else {
        auto length = utf8::sequence_size(&in_[at_ - 1], in_.data() + in_.size());
        if (length == 0)
          return false; // nobody knows what stood there
        out_ += in_.substr(at_ - 1, length);
        at_ += length - 1;
      }
    }
    return false; // its end is lost
  }

  bool escape() {
    if (end())
      return false;
    char c = in_[at_++];
    constexpr std::string_view strict = "\"\\/bfnrt";
    if (strict.find(c) != std::string_view::npos) {
      out_ += '\\';
      out_ += c;
      return true;
    }
    if (c == 'u')
      return code_unit();
    if (c != '\'' && c != '\n' && c != '`')
      return false;
    changed_ = true; // \' as in JavaScript; a line that goes on in the next one
    if (c != '\n')
      out_ += c;
    return true;
  }

  // What follows `\u`: a character, or both halves of one. A half alone is none.
  bool code_unit() {
    auto first = hex4(at_);
    if (!first || (*first >= 0xDC00 && *first <= 0xDFFF))
      return false;
    std::size_t length = 4;
    if (*first >= 0xD800 && *first <= 0xDBFF) {
      auto second = in_.substr(at_ + 4, 2) == "\\u" ? hex4(at_ + 6) : std::nullopt;
      if (!second || *second < 0xDC00 || *second > 0xDFFF)
        return false;
      length = 10;
    }
    out_ += "\\u";
    out_ += in_.substr(at_, length);
    at_ += length;
    return true;
  }

  std::optional<unsigned> hex4(std::size_t at) const {
    unsigned value = 0;
    if (in_.size() < at + 4)
      return std::nullopt;
    auto begin = in_.data() + at;
    if (std::from_chars(begin, begin + 4, value, 16).ptr != begin + 4)
      return std::nullopt;
    return value;
  }

  // A number at the very end may have lost digits.
  bool number() {
    auto begin = at_;
    constexpr std::string_view others = "+-.eE";
    while (!end() && (is_digit(peek()) || others.find(peek()) != std::string_view::npos))
      ++at_;
    if (end() && begin > 0)
      return false;
    return copy_if_json(in_.substr(begin, at_ - begin));
  }

  bool word() {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 7> words{{
      {"true", "true"}, {"false", "false"}, {"null", "null"}, {"True", "true"},
      {"False", "false"}, {"None", "null"}, {"undefined", "null"},
    }};
    auto begin = at_;
    while (!end() && is_word(peek()))
      ++at_;
    auto found = in_.substr(begin, at_ - begin);
    for (auto [spelled, meant] : words) {
      if (found != spelled)
        continue;
      out_ += meant;
      changed_ = changed_ || spelled != meant;
      return true;
    }
    return false;
  }

  bool copy_if_json(std::string_view number) {
    json_reader in{number};
    if (!in.skip() || in.position() != number.size())
      return false;
    out_ += number;
    return true;
  }

  // Blanks and comments. False where a comment has no end: models write whole objects in one line,
  // `//` included, and nobody knows what of the rest was meant as a comment.
  bool skip_blanks() {
    constexpr std::string_view blanks = " \t\r\n";
    while (!end()) {
      if (blanks.find(peek()) != std::string_view::npos) {
        ++at_;
        continue;
      }
      auto two = in_.substr(at_, 2);
      if (two != "//" && two != "/*")
        return true;
      auto close = two == "//" ? std::string_view{"\n"} : std::string_view{"*/"};
      auto stop = in_.find(close, at_ + 2);
      if (stop == std::string_view::npos)
        return false;
      line_comment_ = line_comment_ || two == "//";
      at_ = stop + close.size();
      changed_ = true;
    }
    return true;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  bool changed_ = false;
  bool line_comment_ = false; ///< one was skipped: it may have held what is missing at the end
};

} // namespace

std::optional<mended_json> mend_json(std::string_view text) {
  return mender{text}.read();
}

} // namespace troupe
