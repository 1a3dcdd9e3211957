#include "runtime/core/env.hpp"

namespace troupe {

void directory::put(std::string name, caf::actor handle, service_info info) {
  std::unique_lock lock{mutex_};
  auto& slot = entries_[std::move(name)];
  slot.handle = std::move(handle);
  slot.info = info;
}

std::optional<directory::entry> directory::find(std::string_view name) const {
  std::shared_lock lock{mutex_};
  auto i = entries_.find(name);
  if (i == entries_.end())
    if (auto dot = name.find('.'); dot != name.npos)
      i = entries_.find(std::string{name.substr(0, dot + 1)} + '*');
  if (i == entries_.end())
    return std::nullopt;
  return i->second;
}

void directory::remove(std::string_view name) {
  std::unique_lock lock{mutex_};
  if (auto i = entries_.find(name); i != entries_.end())
    entries_.erase(i);
}

std::vector<std::string> directory::names() const {
  std::shared_lock lock{mutex_};
  std::vector<std::string> all;
  all.reserve(entries_.size());
  for (const auto& [name, _] : entries_)
    all.push_back(name);
  return all;
}

void directory::clear() {
  std::unique_lock lock{mutex_};
  entries_.clear();
}

} // namespace troupe
