#include "config/diagnostic.hpp"

namespace troupe::config {

namespace {

constexpr std::size_t excerpt_max = 160; // characters of a line that a terminal shows well

std::string caret_line(const diagnostic& d) {
  std::string text;
  for (std::size_t i = 0, seen = 1; i < d.excerpt.size() && seen < d.caret; ++i) {
    auto c = static_cast<unsigned char>(d.excerpt[i]);
    if ((c & 0xC0) == 0x80) // the rest of a UTF-8 character takes no column
      continue;
    text += c == '\t' ? '\t' : ' ';
    ++seen;
  }
  return text + '^';
}

} // namespace

std::string to_string(const diagnostic& d) {
  std::string text = d.file;
  if (d.line != 0)
    text += ":" + std::to_string(d.line) + ":" + std::to_string(d.column);
  text += ": ";
  if (!d.key_path.empty())
    text += d.key_path + ": ";
  text += d.message;
  if (!d.hint.empty())
    text += "; " + d.hint;
  return text;
}

std::string render(std::span<const diagnostic> problems) {
  std::string text;
  for (const auto& d : problems) {
    text += to_string(d) + "\n";
    if (d.excerpt.empty() || d.excerpt.size() > excerpt_max)
      continue;
    auto number = std::to_string(d.line);
    text += "  " + number + " | " + d.excerpt + "\n";
    if (d.caret != 0)
      text += "  " + std::string(number.size(), ' ') + " | " + caret_line(d) + "\n";
  }
  if (!problems.empty())
    text += std::to_string(problems.size()) + (problems.size() == 1 ? " error\n" : " errors\n");
  return text;
}

} // namespace troupe::config
