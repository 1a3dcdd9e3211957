#include "config/context.hpp"

#include <algorithm>
#include <tuple>

namespace troupe::config {

namespace {

constexpr std::size_t problems_max = 1'000; // past it, somebody passed the wrong file

std::tuple<std::uint32_t, std::uint32_t, std::uint32_t> order(position p) {
  return {p.file, p.line, p.column};
}

bool is_bare(std::string_view key) {
  return !key.empty()
         && key.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-[]")
              == key.npos;
}

/// The byte at which character `column` (from 1) of a UTF-8 line begins.
std::size_t byte_of(std::string_view line, std::uint32_t column) {
  std::size_t i = 0;
  for (std::uint32_t seen = 1; i < line.size(); ++i)
    if ((static_cast<unsigned char>(line[i]) & 0xC0) != 0x80 && seen++ == column)
      break;
  return i;
}

/// Puts `***` where a masked value stands on line `number`, and moves the caret along. An end at
/// line 0 masks all the rest.
void blot(std::string& line, std::uint32_t number, position begin, position end,
          std::uint32_t& caret) {
  if (begin.line > number || (end.line != 0 && end.line < number))
    return;
  auto first = begin.line < number ? 1 : begin.column;
  auto from = byte_of(line, first);
  auto to = end.line == number ? byte_of(line, end.column) : line.size();
  if (from >= to)
    return;
  line.replace(from, to - from, "***");
  if (end.line == number && caret >= end.column)
    caret = caret - end.column + first + 3;
  else if (caret > first)
    caret = 0; // it pointed into what nobody may see
}

} // namespace

std::string join(const std::string& path, std::string_view key) {
  std::string text = path.empty() ? "" : path + ".";
  if (is_bare(key))
    return text.append(key);
  return text.append("\"").append(key).append("\"");
}

std::uint32_t context::add_file(const std::filesystem::path& file, std::string_view text) {
  source s{file.string(), file.parent_path(), {}};
  for (std::size_t from = 0; from <= text.size();) {
    auto end = std::min(text.find('\n', from), text.size());
    auto line = text.substr(from, end - from);
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    s.lines.emplace_back(line);
    from = end + 1;
  }
  sources_.push_back(std::move(s));
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

bool context::claim(const std::string& path, position key, position value) {
  auto [it, fresh] = places_.try_emplace(path, place{key, value});
  if (!fresh) {
    const auto& first = it->second.key;
    report(key, path,
           "was already given at " + sources_[first.file].name + ":" + std::to_string(first.line),
           "keep one of them");
  }
  return fresh;
}

position context::where(std::string path) const {
  while (!path.empty()) {
    if (auto it = places_.find(path); it != places_.end())
      return it->second.value.line != 0 ? it->second.value : it->second.key;
    auto dot = path.rfind('.');
    path.resize(dot == path.npos ? 0 : dot);
  }
  return {};
}

bool context::reported(const std::string& path) const {
  return std::ranges::any_of(problems_, [&](const entry& e) {
    return e.what.key_path == path || e.what.key_path.starts_with(path + "[");
  });
}

void context::report(position at, const std::string& path, std::string message,
                     std::string hint) {
  if (problems_.size() < problems_max)
    problems_.push_back({at, {sources_[at.file].name, at.line, at.column, path, std::move(message),
                              std::move(hint), {}, 0}});
}

void context::report_at_key(const std::string& path, std::string message, std::string hint) {
  report(where(path), path, std::move(message), std::move(hint));
}

void context::report(const std::string& path, const option_problems& problems) {
  for (const auto& p : problems) {
    auto key = path + "." + p.key;
    if (!reported(key))
      report_at_key(key, p.message, p.hint);
  }
}

void context::mask(const node& n) {
  for (const auto& item : n.items)
    mask(item);
  for (const auto& m : n.members)
    mask(m.value);
  // What names only variables is no secret, and says what to set.
  bool reference = n.text.find("${") != n.text.npos && n.text.find(":-") == n.text.npos;
  if (n.type == node_type::text && !reference)
    masked_.emplace_back(n.begin, n.end);
}

std::optional<std::string> context::text(const std::string& path, const node& n) {
  if (n.type != node_type::text) {
    report(n.begin, path, "expected text, found " + describe(n),
           n.type == node_type::table || n.type == node_type::list ? "" : "texts stand in quotes");
    return std::nullopt;
  }
  auto out = expand(n.text, env_);
  if (!out.malformed.empty())
    report(n.begin, path, out.malformed, "a literal '${' is written '$${'");
  for (const auto& name : out.missing)
    report(n.begin, path, "the environment variable " + name + " is not set",
           "export " + name + "=.., or write ${" + name + ":-default}");
  if (!out.malformed.empty() || !out.missing.empty())
    return std::nullopt;
  return std::move(out.text);
}

std::filesystem::path context::resolve(position at, const std::string& text) const {
  return (sources_[at.file].folder / text).lexically_normal();
}

std::string_view context::line(std::uint32_t file, std::uint32_t number) const {
  const auto& lines = sources_[file].lines;
  return number == 0 || number > lines.size() ? std::string_view{} : lines[number - 1];
}

std::string context::excerpt(position at, std::uint32_t& caret) const {
  std::string text{line(at.file, at.line)};
  caret = text.empty() ? 0 : at.column;
  auto masks = masked_;
  // From right to left, so that a shorter line does not move what is still to be masked.
  std::ranges::sort(masks, [](const auto& a, const auto& b) {
    return order(a.first) > order(b.first);
  });
  for (const auto& [begin, end] : masks)
    if (begin.file == at.file)
      blot(text, at.line, begin, end, caret);
  return text;
}

std::vector<diagnostic> context::take_problems() {
  std::ranges::stable_sort(problems_, {}, [](const entry& e) { return order(e.at); });
  std::vector<diagnostic> all;
  for (auto& e : problems_) {
    e.what.excerpt = excerpt(e.at, e.what.caret);
    all.push_back(std::move(e.what));
  }
  problems_.clear();
  return all;
}

std::map<std::string, location> context::locations() const {
  std::map<std::string, location> all;
  for (const auto& [path, p] : places_) {
    auto at = p.value.line != 0 ? p.value : p.key;
    auto& to = all[path] = {sources_[at.file].name, at.line, at.column, {}, 0};
    to.excerpt = excerpt(at, to.caret);
  }
  return all;
}

} // namespace troupe::config
