// Whatever a model writes: what comes out is strict JSON, says the same when it is read again, has all
// that was said, and what was strict JSON already stays as it is.

#include "actors/llm/json_mend.hpp"
#include "runtime/core/json_text.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace troupe;

namespace {

bool strict(std::string_view text) {
  json_limits limits;
  limits.depth_max = mend_depth_max;
  json_reader in{text, limits};
  return in.skip() && in.end();
}

struct without_comments {
  std::string text;
  bool lines = false; ///< one of them went to the end of its line
};

// A comment is one that ends: all else was said. Knows strings and comments, and nothing more.
without_comments strip(std::string_view text) {
  without_comments out;
  char quote = '\0';
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto two = text.substr(at, 2);
    if (quote != '\0') {
      out.text += text[at];
      if (text[at] == '\\' && at + 1 < text.size())
        out.text += text[++at];
      else if (text[at] == quote)
        quote = '\0';
    } else if (two == "//" || two == "/*") {
      auto close = two == "//" ? std::string_view{"\n"} : std::string_view{"*/"};
      auto end = text.find(close, at + 2);
      if (end == std::string_view::npos) {
        out.text += text.substr(at);
        return out;
      }
      out.lines = out.lines || two == "//";
      at = end + close.size() - 1;
    } else {
      out.text += text[at];
      quote = text[at] == '"' || text[at] == '\'' ? text[at] : '\0';
    }
  }
  return out;
}

// What carries meaning in any spelling: letters, digits, and all that is not ASCII.
std::string said(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z')
      out += static_cast<char>(c - 'A' + 'a');
    else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
             || static_cast<unsigned char>(c) >= 0x80)
      out += c;
  }
  return out;
}

bool is_within(std::string_view part, std::string_view whole) {
  for (char c : whole)
    if (!part.empty() && part.front() == c)
      part.remove_prefix(1);
  return part.empty();
}

// No member of the input is lost, and no bracket is added that a comment may have held.
void demand_all_of(std::string_view input, std::string_view output) {
  auto left = strip(input);
  bool other_words = left.text.find("undefined") != std::string::npos
                     || left.text.find("None") != std::string::npos; // `null` in JSON
  fuzz::demand(other_words || is_within(said(left.text), said(output)),
               "all that was said is in what was mended");
  if (!left.lines)
    return;
  auto closing = [](std::string_view text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return c == '}' || c == ']'; });
  };
  fuzz::demand(closing(output) <= closing(left.text),
               "no bracket is added that a comment may have held");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto mended = mend_json(text);
  if (!mended)
    return 0;
  fuzz::demand(mended->size <= text.size(), "no more is taken than there is");
  fuzz::demand(strict(mended->text), "what was mended is strict JSON");
  auto taken = text.substr(0, mended->size);
  if (!mended->changed)
    fuzz::demand(strict(taken), "what was not changed was strict JSON");
  demand_all_of(taken, mended->text);

  auto again = mend_json(mended->text);
  fuzz::demand(again.has_value(), "what was mended can be read");
  fuzz::demand(!again->changed && again->text == mended->text, "mending twice changes nothing");
  fuzz::demand(again->size == mended->text.size(), "what was mended is one value");
  return 0;
}
