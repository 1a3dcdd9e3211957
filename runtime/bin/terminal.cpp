#include "runtime/bin/terminal.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cstdint>

#include <sys/ioctl.h>
#include <unistd.h>

namespace troupe::cli {
namespace {

std::size_t width_of(std::FILE* stream) {
  winsize size{};
  if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

/// Characters, not bytes; what is twice as wide (CJK) counts once.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
    std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string cut(std::string text, std::size_t max) {
  if (columns(text) <= max)
    return text;
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < text.size(); ++bytes)
    if ((text[bytes] & 0xC0) != 0x80 && seen++ == max)
      break;
  text.resize(bytes);
  return text;
}

} // namespace

bool is_terminal(std::FILE* stream) noexcept {
  return isatty(fileno(stream)) == 1;
}

void say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void complain(std::string_view text) {
  std::fprintf(stderr, "troupe: %.*s\n", static_cast<int>(text.size()), text.data());
}

void table::print() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns(row[i]));
  auto line_max = is_terminal(stdout) ? width_of(stdout) : SIZE_MAX;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size())
        line.append(widths[i] - columns(row[i]) + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    say(cut(std::move(line), line_max));
  }
}

progress_line::progress_line() : on_(is_terminal(stderr)) {}

progress_line::~progress_line() {
  if (shown_)
    std::fputs("\r\033[K", stderr);
}

void progress_line::show(std::string_view text) {
  if (!on_)
    return;
  shown_ = true;
  auto line = cut(std::string{text}, width_of(stderr) - 1);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

std::string pretty(const boost::json::value& v, int indent) {
  auto pad = std::string(static_cast<std::size_t>(indent + 2), ' ');
  auto end = '\n' + std::string(static_cast<std::size_t>(indent), ' ');
  std::string out;
  if (v.is_object() && !v.get_object().empty()) {
    for (const auto& [key, value] : v.get_object()) {
      out += out.empty() ? "{\n" : ",\n";
      out += pad;
      out += boost::json::serialize(boost::json::string_view{key});
      out += ": ";
      out += pretty(value, indent + 2);
    }
    return out + end + '}';
  }
  if (v.is_array() && !v.get_array().empty()) {
    for (const auto& item : v.get_array()) {
      out += out.empty() ? "[\n" : ",\n";
      out += pad + pretty(item, indent + 2);
    }
    return out + end + ']';
  }
  return boost::json::serialize(v);
}

const boost::json::array& array_of(const boost::json::value& v, std::string_view name) {
  static const boost::json::array none;
  const auto* o = v.if_object();
  const auto* a = o == nullptr ? nullptr : o->if_contains({name.data(), name.size()});
  return a != nullptr && a->is_array() ? a->get_array() : none;
}

std::string text_of(const boost::json::value& v, std::string_view name) {
  const auto* o = v.if_object();
  const auto* member
    = o == nullptr ? nullptr : o->if_contains(boost::json::string_view{name.data(), name.size()});
  if (member == nullptr || member->is_null())
    return {};
  if (const auto* text = member->if_string())
    return std::string{text->data(), text->size()};
  return boost::json::serialize(*member);
}

std::string short_time(std::string_view t) {
  if (t.size() < 20 || t[10] != 'T')
    return std::string{t};
  return std::string{t.substr(0, 10)} + ' ' + std::string{t.substr(11, 8)};
}

std::string printable(std::string_view text) {
  std::string out;
  for (auto c : text)
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  return out;
}

} // namespace troupe::cli
