#include "examples/ticket_desk/knowledge_search.hpp"
#include "runtime/core/utf8.hpp"

#include <algorithm>
#include <array>

namespace desk {
namespace {

constexpr char32_t invalid = 0xFFFD;

struct decoded {
  char32_t point = invalid;
  std::size_t bytes = 1;
};

/// One code point. What is not UTF-8 is one invalid byte, so that decoding finds its feet again.
decoded decode(std::string_view text) {
  auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80)
    return {lead, 1};
  auto bytes = troupe::utf8::sequence_size(text.data(), text.data() + text.size());
  if (bytes == 0)
    return {};
  char32_t point = lead & (0xFFU >> (bytes + 1));
  for (auto next : text.substr(1, bytes - 1))
    point = (point << 6U) | (static_cast<unsigned char>(next) & 0x3FU);
  return {point, bytes};
}

/// Base letters of U+00C0..U+00FF; a space where the sign is no letter.
constexpr std::string_view latin1
  = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty";
/// Base letters of U+0100..U+017F, which cover Polish, Czech, Turkish.
constexpr std::string_view latin_a
  = "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllllll"
    "lnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(latin1.size() == 0x40 && latin_a.size() == 0x80);

bool is_combining(char32_t c) { return c >= 0x300 && c < 0x370; }

/// Scripts that write without spaces: kana and Han.
bool is_unspaced(char32_t c) {
  return (c >= 0x3041 && c <= 0x30FF && c != 0x30FB) || (c >= 0x3400 && c <= 0x9FFF)
         || (c >= 0x20000 && c <= 0x3FFFF);
}

/// Letters above Latin: punctuation, symbols and emoji are not among them.
bool is_letter(char32_t c) {
  bool symbol = (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x303F) || c == 0x30FB
                || (c >= 0xD800 && c <= 0xF8FF) || (c >= 0xFE00 && c <= 0xFE6F) || c == 0xFEFF
                || (c >= 0xFF00 && c <= 0xFF0F) || (c >= 0xFFF0 && c < 0x10000)
                || (c >= 0x1F000 && c < 0x20000) || c >= 0x40000;
  return c >= 0x180 && !symbol;
}

/// Lower case and without accent, 0 for a sign that separates words.
char fold(char32_t c) {
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
    return static_cast<char>(c);
  if (c >= 'A' && c <= 'Z')
    return static_cast<char>(c - 'A' + 'a');
  if (c >= 0xC0 && c < 0x100)
    return latin1[c - 0xC0] == ' ' ? '\0' : latin1[c - 0xC0];
  return c >= 0x100 && c < 0x180 ? latin_a[c - 0x100] : '\0';
}

constexpr auto stop_words = std::to_array<std::string_view>(
  {"a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "been",
   "but", "by", "can", "could", "did", "do", "does", "dear", "for", "from", "get", "had", "has",
   "have", "hello", "hi", "how", "i", "if", "in", "is", "it", "its", "just", "me", "my", "no",
   "not", "now", "of", "on", "only", "or", "our", "please", "so", "some", "than", "thanks", "that",
   "the", "their", "them", "then", "there", "these", "they", "this", "to", "too", "us", "was",
   "we", "were", "what", "when", "where", "which", "who", "why", "will", "with", "would", "you",
   "your",
   // The commonest of the other languages that customers write in.
   "das", "de", "der", "die", "el", "en", "es", "et", "fur", "guten", "hola", "ich", "ist", "je",
   "la", "le", "les", "los", "mit", "nicht", "para", "por", "pour", "que", "tag", "un", "und",
   "une", "y", "zu"});

bool is_stop_word(std::string_view word) {
  return std::find(stop_words.begin(), stop_words.end(), word) != stop_words.end();
}

/// Collects words while the text is read, sign by sign.
class collector {
public:
  void letter(std::string_view sign) {
    previous_ = {};
    word_ += sign;
  }
  void unspaced(std::string_view sign) {
    flush();
    if (!previous_.empty())
      words_.push_back(std::string{previous_} + std::string{sign});
    previous_ = sign;
  }
  void separator() {
    flush();
    previous_ = {};
  }
  std::vector<std::string> take() {
    flush();
    return std::move(words_);
  }

private:
  void flush() {
    if (word_.size() > 1 && !is_stop_word(word_))
      words_.push_back(std::move(word_));
    word_.clear();
  }

  std::vector<std::string> words_;
  std::string word_;
  std::string_view previous_;
};

} // namespace

std::vector<std::string> tokens(std::string_view text) {
  collector out;
  while (!text.empty()) {
    auto [point, bytes] = decode(text);
    auto sign = text.substr(0, bytes);
    text.remove_prefix(bytes);
    if (is_combining(point) || point == '\'' || point == 0x2019)
      continue; // "e" + accent is one letter, "don't" one word
    if (char folded = fold(point))
      out.letter({&folded, 1});
    else if (point != invalid && is_unspaced(point))
      out.unspaced(sign);
    else if (point != invalid && is_letter(point))
      out.letter(sign);
    else
      out.separator();
  }
  return out.take();
}

} // namespace desk
