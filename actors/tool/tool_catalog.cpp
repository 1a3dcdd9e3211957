#include "actors/tool/tool_catalog.hpp"

namespace troupe {

bool names_tool(std::string_view pattern, std::string_view name) noexcept {
  if (pattern.size() > 2 && pattern.ends_with(".*"))
    return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

void tool_catalog::put(catalog_entry entry) {
  std::lock_guard lock{mutex_};
  auto name = entry.name;
  entries_.insert_or_assign(std::move(name), std::move(entry));
}

void tool_catalog::remove(std::string_view name) {
  std::lock_guard lock{mutex_};
  if (auto i = entries_.find(name); i != entries_.end())
    entries_.erase(i);
}

std::vector<catalog_entry> tool_catalog::find(std::string_view pattern) const {
  std::lock_guard lock{mutex_};
  std::vector<catalog_entry> out;
  for (const auto& [name, entry] : entries_)
    if (names_tool(pattern, name))
      out.push_back(entry);
  return out;
}

} // namespace troupe
