#include "runtime/core/agent.hpp"

#include <map>
#include <mutex>

namespace troupe {
namespace {

struct registry {
  std::mutex mutex;
  // Classes are replaced, never destroyed: an invocation may hold the old one.
  std::map<std::string, std::shared_ptr<const agent_class>, std::less<>> current;
  std::vector<std::shared_ptr<const agent_class>> all;
};

registry& classes() {
  static registry instance;
  return instance;
}

} // namespace

void register_agent(agent_class c) {
  auto& r = classes();
  std::unique_lock lock{r.mutex};
  auto entry = std::make_shared<const agent_class>(std::move(c));
  r.all.push_back(entry);
  r.current[entry->name] = entry;
}

const agent_class* find_agent(std::string_view name) {
  auto& r = classes();
  std::unique_lock lock{r.mutex};
  auto i = r.current.find(name);
  return i == r.current.end() ? nullptr : i->second.get();
}

const agent_class* find_agent(std::string_view name, std::string_view version) {
  const auto* newest = find_agent(name);
  auto& r = classes();
  std::unique_lock lock{r.mutex};
  for (auto i = r.all.rbegin(); i != r.all.rend(); ++i)
    if ((*i)->name == name && (*i)->version == version)
      return i->get();
  return newest;
}

std::vector<std::string> agent_names() {
  auto& r = classes();
  std::unique_lock lock{r.mutex};
  std::vector<std::string> names;
  names.reserve(r.current.size());
  for (const auto& [name, _] : r.current)
    names.push_back(name);
  return names;
}

} // namespace troupe
