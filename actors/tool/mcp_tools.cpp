// The actors of a server's tools: one each, under a supervisor of its own. See mcp_client_actor.hpp.

#include "actors/guard/breaker_actor.hpp"
#include "actors/guard/breaker_child.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/tool/mcp_client_actor.hpp"
#include "actors/tool/tool.hpp"
#include "runtime/core/json.hpp"

#include <caf/actor_system.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

/// Bytes of all names in one sentence; a model can do with the first hundred.
constexpr std::size_t names_shown_max = 2'000;

} // namespace

/// What is new starts, what has changed is replaced, what is gone ends once its calls are over.
void mcp_client_actor::keep_tools(std::vector<mcp_tool> found) {
  std::map<std::string, std::shared_ptr<const mcp_tool>> now;
  for (auto& tool : found) {
    auto name = tool.name;
    if (now.size() < options_.tools_max)
      now.emplace(std::move(name), std::make_shared<mcp_tool>(std::move(tool)));
    else
      refused_[name] = fmt::format("it is one more than tools_max ({})", options_.tools_max);
  }
  std::size_t gone = 0;
  for (auto i = tools_.begin(); i != tools_.end();) {
    auto same = now.find(i->first);
    if (same != now.end() && same->second->definition == i->second.tool->definition) {
      now.erase(same);
      ++i;
      continue;
    }
    gone += same == now.end() ? 1 : 0;
    retire(i->first, i->second);
    i = tools_.erase(i);
  }
  auto before = tools_.size();
  for (const auto& [name, tool] : now) {
    auto supervisor = start_tool(tool);
    if (supervisor) {
      monitor(*supervisor);
      tools_[name] = known_tool{tool, std::move(*supervisor)};
      continue;
    }
    refused_[name] = supervisor.error().message;
    report(level::warning, "mcp.tool_refused", to_string(supervisor.error().code),
           {{"error", to_json(supervisor.error().message)}, {"tool", to_json(name)}});
  }
  if (phase_ == phase::up && (gone != 0 || tools_.size() != before))
    report(level::info, "mcp.tools", "changed",
           {{"tools", to_json(tools_.size())}, {"new", to_json(tools_.size() - before)},
            {"gone", to_json(gone)}});
}

result<caf::actor> mcp_client_actor::start_tool(const std::shared_ptr<const mcp_tool>& tool) {
  auto options = options_.of(tool->name);
  options.kind = tool_kind::mcp;
  options.name = mcp_tool_name(options_.name, tool->name);
  options.input_schema = tool->input_schema;
  if (options.description.empty())
    options.description = tool->description;
  if (!options.mcp.effect_given)
    options.effect = tool->effect;
  if (auto wrong = options.validate(); !wrong.empty())
    return error{errc::invalid_input, wrong.front().key + ": " + wrong.front().message};
  auto backend = make_mcp_backend(address(), ++last_backend_, tool, options.mcp.result,
                                  options.retry.timeout, options_.progress_max);
  auto parts = complete_tool_parts(options, env_, *http_, std::move(backend));
  if (!parts)
    return std::move(parts).error();
  auto guards = make_tool_guards(options, env_);
  // Without progress a slow attempt is one that failed; with it, it may be slow.
  auto longest = std::max(options.retry.timeout, options_.progress_max);
  guards.gate = std::make_shared<breaker>(tool_service_name(options.name), options.breaker,
                                          usually_slow(longest), env_);
  supervisor_setup setup{env_, {}, {}, timer_};
  setup.options.name = options.name;
  child_spec child;
  child.options.id = "tools." + options.name;
  setup.children.push_back(breaker_child(system(), env_, timer_, child.options.id, guards.gate));
  child.service = tool_service_name(options.name);
  child.info = service_info_of(options);
  child.start = [&system = system(), &env = env_, timer = timer_, parts = std::move(*parts),
                 options, guards](const child_start& s) {
    return spawn_tool(system, tool_setup{env, options, parts, timer, s.supervisor, s.id,
                                         s.checkpoint, guards});
  };
  setup.children.push_back(std::move(child));
  if (catalog_)
    catalog_->put({options.name, options.description, options.input_schema});
  return spawn_supervisor(system(), std::move(setup));
}

void mcp_client_actor::forget(const std::string& tool) {
  auto service = tool_service_name(mcp_tool_name(options_.name, tool));
  env_.services.remove(service);
  env_.services.remove(breaker_service_name(service));
  if (catalog_)
    catalog_->remove(mcp_tool_name(options_.name, tool));
}

/// From now on nobody finds it. What it has begun may end; then, at the latest when no call of it can
/// be left, it goes.
void mcp_client_actor::retire(const std::string& tool, known_tool& known) {
  forget(tool);
  demonitor(known.supervisor);
  scope_.spawn(end_later(known.supervisor, options_.of(tool).retry.total_timeout));
}

async<void> mcp_client_actor::end_later(caf::actor supervisor, std::chrono::milliseconds after) {
  retired_.insert(supervisor);
  waiting_call pause;
  pause.no = next_no();
  utc_time due = env_.clock.now() + after;
  co_await waits_.wait(pause, due);
  retired_.erase(supervisor);
  send_exit(supervisor, caf::exit_reason::user_shutdown);
}

/// The supervisor of a tool has given up: so do we, and ours decides.
void mcp_client_actor::on_tool_down(const caf::down_msg& d) {
  for (auto& [name, known] : tools_)
    if (known.supervisor == d.source) {
      report(level::error, "mcp.tool_gave_up", to_string(errc::internal),
             {{"tool", to_json(name)}});
      quit(d.reason ? d.reason : caf::make_error(caf::exit_reason::unknown));
      return;
    }
}

std::string mcp_client_actor::tool_names() const {
  std::string out;
  for (const auto& [name, known] : tools_) {
    if (out.size() > names_shown_max)
      return out + ", ..";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out.empty() ? "none" : out;
}

} // namespace troupe
