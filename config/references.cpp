#include "config/references.hpp"

#include "actors/flow/chat.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <set>

namespace troupe::config {

namespace {

template <class Options>
std::vector<std::string> names_of(const std::map<std::string, Options>& all) {
  std::vector<std::string> names;
  for (const auto& [name, options] : all)
    names.push_back(name);
  return names;
}

/// Who refers to whom, and at which key.
struct edge {
  std::string to;
  std::string path;
};
using graph = std::map<std::string, std::vector<edge>>;

/// Walks along `g` and reports each edge that leads back to where the walk came from.
class cycle_finder {
public:
  cycle_finder(context& c, const graph& g) : context_(c), graph_(g) {}

  void run() {
    for (const auto& [name, edges] : graph_)
      visit(name);
  }

private:
  void visit(const std::string& start) {
    std::vector<std::pair<std::string, std::size_t>> stack; // a name and its next edge
    if (done_.insert(start).second)
      stack.emplace_back(start, 0);
    while (!stack.empty()) {
      auto& [name, next] = stack.back();
      auto it = graph_.find(name);
      if (it == graph_.end() || next == it->second.size()) {
        stack.pop_back();
        continue;
      }
      const auto& e = it->second[next++];
      auto above = std::ranges::find(stack, e.to, [](const auto& s) { return s.first; });
      if (above != stack.end())
        report(e, above, stack.end());
      else if (done_.insert(e.to).second)
        stack.emplace_back(e.to, 0);
    }
  }

  template <class Iterator>
  void report(const edge& e, Iterator from, Iterator end) {
    std::string way;
    for (auto i = from; i != end; ++i)
      way += i->first + " -> ";
    context_.report_at_key(e.path, "closes a cycle: " + way + e.to, "take one of them out");
  }

  context& context_;
  const graph& graph_;
  std::set<std::string> done_;
};

/// Reports the items of a list that are not in `existing`, and those that stand there twice.
void check_names(context& c, const std::string& path, const std::vector<std::string>& used,
                 const std::vector<std::string>& existing, std::string_view what) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < used.size(); ++i) {
    auto item = path + "[" + std::to_string(i) + "]";
    if (used[i] == "?") // could not be read, which has been said
      continue;
    if (!seen.insert(used[i]).second)
      c.report_at_key(item, "'" + used[i] + "' stands here twice");
    else if (std::ranges::find(existing, used[i]) == existing.end())
      c.report_at_key(item, "there is no " + std::string{what} + " '" + used[i] + "'",
                      did_you_mean(used[i], existing));
  }
}

/// Whether this names a tool that an MCP server may bring: `fs.read_file`.
bool is_of_server(const topology& t, const std::string& tool) {
  auto dot = tool.find('.');
  return dot != tool.npos && dot + 1 != tool.size() && t.mcp.contains(tool.substr(0, dot));
}

/// The models that it asks, and that what needs an approval can be called at all.
void check_chat(context& c, const std::string& path, const agent_options& a,
                const std::vector<std::string>& models) {
  for (const auto& [key, name] : {std::pair{".model", &a.chat.model},
                                  std::pair{".summary_model", &a.chat.summary_model}})
    if (!name->empty() && std::ranges::find(models, *name) == models.end())
      c.report_at_key(path + key, "there is no model '" + *name + "'", did_you_mean(*name, models));
  for (std::size_t i = 0; i < a.chat.approve.size(); ++i) {
    const auto& one = a.chat.approve[i];
    auto means = [&](const std::string& tool) {
      return names_tool(one, tool) || names_tool(tool, one) || one == tool;
    };
    if (one != "?" && std::ranges::none_of(a.tools, means))
      c.report_at_key(path + ".approve[" + std::to_string(i) + "]",
                      "'" + one + "' is none of the agent's tools", did_you_mean(one, a.tools));
  }
}

void check_agents(context& c, const topology& t) {
  auto tools = names_of(t.tools), models = names_of(t.models), agents = names_of(t.agents);
  for (const auto& [name, a] : t.agents) {
    auto path = join("agents", name);
    auto existing = tools; // those of servers are not known before they are asked
    std::ranges::copy_if(a.tools, std::back_inserter(existing),
                         [&](const std::string& tool) { return is_of_server(t, tool); });
    check_names(c, path + ".tools", a.tools, existing, "tool");
    check_names(c, path + ".models", a.models, models, "model");
    check_names(c, path + ".agents", a.agents, agents, "agent");
    if (is_chat(a))
      check_chat(c, path, a, models);
  }
}

/// Money that is limited must be counted: each model needs a price, if only of 0.
void check_prices(context& c, const topology& t, const std::string& budget) {
  for (const auto& [name, m] : t.models) {
    auto path = join("models", name);
    bool costs = m.kind != endpoint_kind::scripted && m.replay.empty();
    if (costs && !c.given(path + ".price.input") && !c.given(path + ".price.output"))
      c.report_at_key(join("budgets", budget) + ".money",
                      "[" + path + "] has no price: what it costs would not be limited",
                      "price = { input = 2.5, output = 10 }, for a million tokens; 0 where it is free");
  }
}

/// Models that stand in for others, who shares a budget, and whether it can be counted.
void check_models(context& c, const topology& t) {
  graph g;
  auto models = names_of(t.models), agents = names_of(t.agents);
  for (const auto& [name, m] : t.models) {
    auto path = join("models", name) + ".fallback.models";
    check_names(c, path, m.fallback.models, models, "model");
    for (std::size_t i = 0; i < m.fallback.models.size(); ++i)
      g[name].push_back({m.fallback.models[i], path + "[" + std::to_string(i) + "]"});
  }
  cycle_finder{c, g}.run();
  for (const auto& [name, b] : t.budgets) {
    check_names(c, join("budgets", name) + ".agents", b.agents, agents, "agent");
    if (b.money > 0)
      check_prices(c, t, name);
  }
}

/// A tool that works for another, as `key` says: it must be there and only look, and no two may
/// wait for each other.
void check_helpers(context& c, const topology& t, std::string_view key,
                   const std::string& (*helper_of)(const tool_options&)) {
  graph g;
  auto names = names_of(t.tools);
  for (const auto& [name, tool] : t.tools) {
    const auto& helper = helper_of(tool);
    if (helper.empty() || is_of_server(t, helper))
      continue;
    auto path = join("tools", name) + std::string{key};
    auto asked = t.tools.find(helper);
    if (asked == t.tools.end()) {
      c.report_at_key(path, "there is no tool '" + helper + "'", did_you_mean(helper, names));
      continue;
    }
    auto effect = asked->second.effect;
    if (effect != effect_class::pure && effect != effect_class::read)
      c.report_at_key(path, "'" + asked->first + "' is " + std::string{to_string(effect)}
                              + ": asking must not change anything",
                      "a tool that only looks says effect = \"read\"");
    g[name].push_back({asked->first, path});
  }
  cycle_finder{c, g}.run();
}

/// `tools.x` and the like: all that can be supervised.
std::vector<std::string> child_ids(const topology& t) {
  std::vector<std::string> all;
  for (const auto& [name, options] : t.tools)
    all.push_back("tools." + name);
  for (const auto& [name, options] : t.models)
    all.push_back("models." + name);
  for (const auto& [name, options] : t.mcp)
    all.push_back("mcp." + name);
  for (const auto& [name, options] : t.supervisors)
    if (name != root_supervisor)
      all.push_back("supervisors." + name);
  return all;
}

void check_tree(context& c, const topology& t) {
  graph g;
  std::map<std::string, std::string> parents;
  auto ids = child_ids(t);
  for (const auto& [name, s] : t.supervisors)
    for (std::size_t i = 0; i < s.children.size(); ++i) {
      const auto& id = s.children[i].id;
      auto path = join("supervisors", name) + ".children[" + std::to_string(i) + "]";
      if (id.empty()) // could not be read, which has been said
        continue;
      if (id == "supervisors." + std::string{root_supervisor}) {
        c.report_at_key(path, "root is above all others and nobody's child", "take it out");
      } else if (std::ranges::find(ids, id) == ids.end()) {
        c.report_at_key(path, "there is no '" + id + "'", did_you_mean(id, ids));
      } else {
        auto [first, fresh] = parents.try_emplace(id, name);
        if (!fresh && first->second != name)
          c.report_at_key(path, "'" + id + "' is already a child of supervisor '" + first->second
                                  + "'",
                          "a child has one parent");
        g["supervisors." + name].push_back({id, path});
      }
    }
  cycle_finder{c, g}.run();
}

} // namespace

void check_references(context& c, const topology& t) {
  check_agents(c, t);
  check_models(c, t);
  check_helpers(c, t, ".reconcile.tool",
                [](const tool_options& o) -> const auto& { return o.reconcile.tool; });
  check_helpers(c, t, ".fallback.tool",
                [](const tool_options& o) -> const auto& { return o.fallback.tool; });
  check_tree(c, t);
}

void complete_tree(topology& t) {
  std::set<std::string> owned;
  for (const auto& [name, s] : t.supervisors)
    for (const auto& child : s.children)
      owned.insert(child.id);
  auto& root = t.supervisors[std::string{root_supervisor}];
  root.name = root_supervisor;
  for (auto& id : child_ids(t))
    if (!owned.contains(id))
      root.children.push_back({.id = id});
}

} // namespace troupe::config
