#include "config/plugins.hpp"

#include "actors/flow/chat.hpp"
#include "actors/tool/function_tool.hpp"
#include "config/suggest.hpp"
#include "runtime/core/agent.hpp"
#include "runtime/core/plugin.hpp"

#include <fmt/format.h>

namespace troupe::config {
namespace {

/// What to say of a name that no code has registered.
std::string remedy(const topology& what, std::string_view name,
                   const std::vector<std::string>& known, std::string_view macro) {
  if (auto near = nearest(name, known); !near.empty())
    return fmt::format("did you mean '{}'?", near);
  if (what.runtime.plugins.empty())
    return fmt::format("name the library with {} in plugins = [..] of [troupe]", macro);
  return known.empty() ? fmt::format("no plugin has a {}", macro)
                       : fmt::format("known are: {}", fmt::join(known, ", "));
}

} // namespace

std::vector<diagnostic> load_code(const topology& what) {
  std::vector<diagnostic> problems;
  for (std::size_t i = 0; i < what.runtime.plugins.size(); ++i)
    if (auto loaded = load_plugin(what.runtime.plugins[i]); !loaded)
      problems.push_back(
        what.problem(fmt::format("troupe.plugins[{}]", i), loaded.error().message));
  if (!problems.empty()) // what they would have registered is missing anyway
    return problems;
  for (const auto& [name, agent] : what.agents) {
    const auto& wanted = agent.class_name.empty() ? name : agent.class_name;
    if (!is_chat(agent) && find_agent(wanted) == nullptr)
      problems.push_back(what.problem(fmt::format("agents.{}.class", name),
                                      fmt::format("there is no agent class '{}'", wanted),
                                      remedy(what, wanted, agent_names(), "TROUPE_AGENT")));
  }
  for (const auto& [name, tool] : what.tools) {
    if (tool.kind != tool_kind::function)
      continue;
    const auto& wanted = tool.function.class_name.empty() ? name : tool.function.class_name;
    if (!find_function(wanted))
      problems.push_back(what.problem(fmt::format("tools.{}.class", name),
                                      fmt::format("there is no function '{}'", wanted),
                                      remedy(what, wanted, function_names(), "TROUPE_TOOL")));
  }
  return problems;
}

} // namespace troupe::config
