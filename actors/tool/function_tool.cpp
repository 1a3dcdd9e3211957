#include "actors/tool/function_tool.hpp"

#include <map>
#include <mutex>

namespace troupe {
namespace {

/// Not a name that a topology can write.
constexpr std::string_view reconcile_prefix = "reconcile ";

struct registry {
  std::mutex mutex;
  std::map<std::string, function_tool, std::less<>> functions;
};

registry& functions() {
  static registry all;
  return all;
}

} // namespace

void register_function(function_tool tool) {
  auto& all = functions();
  std::lock_guard lock{all.mutex};
  auto name = tool.name;
  all.functions.insert_or_assign(std::move(name), std::move(tool));
}

std::optional<function_tool> find_function(std::string_view name) {
  auto& all = functions();
  std::lock_guard lock{all.mutex};
  auto i = all.functions.find(name);
  if (i == all.functions.end())
    return std::nullopt;
  return i->second;
}

std::vector<std::string> function_names() {
  auto& all = functions();
  std::lock_guard lock{all.mutex};
  std::vector<std::string> names;
  names.reserve(all.functions.size());
  for (const auto& [name, _] : all.functions)
    if (!name.starts_with(reconcile_prefix))
      names.push_back(name);
  return names;
}

std::optional<function_tool> find_reconcile(std::string_view tool) {
  return find_function(detail::reconcile_name(tool));
}

std::string detail::reconcile_name(std::string_view tool) {
  return std::string{reconcile_prefix}.append(tool);
}

error detail::arguments_refused(error why) {
  return error{errc::invalid_input, "arguments: " + why.message};
}

} // namespace troupe
