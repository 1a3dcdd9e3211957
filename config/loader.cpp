#include "config/loader.hpp"

#include "config/references.hpp"

#include <algorithm>
#include <cctype>

namespace troupe::config {

namespace {

/// Longer names do not fit into the tables of `troupe ps`.
constexpr std::size_t name_size_max = 64;

const std::vector<std::string> sections{"troupe", "store",  "gateway", "dispatcher",
                                        "agents", "tools", "models",  "mcp",
                                        "budgets", "tenants", "supervisors"};

std::filesystem::path identity(const std::filesystem::path& file) {
  std::error_code failed;
  auto same = std::filesystem::weakly_canonical(file, failed);
  return failed ? file.lexically_normal() : same;
}

/// Names stand in URLs, metrics and key paths.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= name_size_max
         && name.find_first_not_of(
              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
              == name.npos;
}

/// Whether the rest of a line with an error of syntax may be shown: a number that wants quotes is
/// the usual case, a bare key of an API is the one to hide.
bool may_show(std::string_view line, std::size_t equals) {
  std::string name{line.substr(0, equals)};
  std::ranges::transform(name, name.begin(), [](unsigned char ch) { return std::tolower(ch); });
  for (std::string_view word : {"key", "token", "secret", "pass", "auth", "cred", "cookie"})
    if (name.find(word) != name.npos)
      return false;
  auto value = line.substr(std::min(line.find_first_not_of(" \t", equals + 1), line.size()));
  return !value.empty() && value.size() <= 8 && value.front() >= '0' && value.front() <= '9'
         && value.find_first_of(" \t\"'") == value.npos;
}

std::string syntax_hint(std::string_view message) {
  if (message.find("redefine") != message.npos)
    return "every key and table stands once";
  if (message.find("determine value type") != message.npos
      || message.find("expected digit") != message.npos)
    return "texts, durations and sizes stand in quotes";
  return {};
}

/// The kind that a table says it is, if that is one.
template <class E>
std::optional<E> kind_of(const node& table, const context& c) {
  const auto* word = table.find("kind");
  if (!word)
    return std::nullopt;
  auto text = expand(word->text, [&](const std::string& name) { return c.variable(name); }).text;
  for (auto [name, kind] : words<E>())
    if (name == text)
      return kind;
  return std::nullopt;
}

/// Which kind of tool has this key, if another one does.
std::string kind_hint(tool_kind own, std::string_view key) {
  for (auto [word, kind] : words<tool_kind>())
    if (kind != own)
      for (const auto& f : tool_fields(kind))
        if (f.key == key)
          return "it belongs to tools of kind = \"" + std::string{word} + "\"";
  return {};
}

} // namespace

void loader::read(const std::filesystem::path& file, std::string_view text) {
  topology_.file = file;
  topology_.runtime.name = file.stem().string();
  topology_.store.path = file.parent_path() / topology_.store.path;
  parse(file, text);
}

void loader::parse(const std::filesystem::path& file, std::string_view text) {
  auto number = context_.add_file(file, text);
  seen_.push_back(identity(file));
  node root;
  diagnostic problem;
  if (!parse_document(text, number, root, problem)) {
    syntax_error(number, std::move(problem));
    return;
  }
  open_.push_back(identity(file));
  for (const auto& section : root.members)
    read_section(section);
  include(root);
  open_.pop_back();
}

void loader::syntax_error(std::uint32_t file, diagnostic problem) {
  broken_ = true;
  position at{file, problem.line, problem.column};
  auto line = context_.line(file, at.line);
  auto equals = line.find('=');
  bool header = !line.empty() && line.front() == '[';
  if (equals == line.npos && !header)
    context_.mask_from({file, at.line, 1});
  else if (equals != line.npos && !may_show(line, equals))
    context_.mask_from({file, at.line, static_cast<std::uint32_t>(equals + 2)});
  std::string_view message = problem.message;
  constexpr std::string_view noise = "Error while parsing ";
  if (message.starts_with(noise))
    message.remove_prefix(noise.size());
  if (message.find("representable") != message.npos)
    message = "a number is too large"; // the library repeats it, and it may be a key
  context_.report(at, "", "is not TOML: " + std::string{message}, syntax_hint(message));
}

void loader::include(const node& root) {
  const auto* settings = root.find("troupe");
  const auto* list = settings ? settings->find("include") : nullptr;
  if (!list || list->type != node_type::list)
    return;
  for (std::size_t i = 0; i < list->items.size(); ++i)
    include_one("troupe.include[" + std::to_string(i) + "]", list->items[i]);
}

void loader::include_one(const std::string& path, const node& item) {
  auto expanded = expand(item.text, [this](const std::string& n) { return context_.variable(n); });
  if (item.type != node_type::text || !expanded.missing.empty() || !expanded.malformed.empty())
    return; // said when the list was read
  auto file = context_.resolve(item.begin, expanded.text);
  auto same = identity(file);
  if (std::ranges::find(open_, same) != open_.end()) {
    context_.report(item.begin, path, "'" + item.text + "' closes a cycle of includes",
                    "take one of them out");
    return;
  }
  if (std::ranges::find(seen_, same) != seen_.end())
    return; // two files may share a third
  if (seen_.size() == topology_files_max) {
    context_.report(item.begin, path, "is one file more than the 64 that a topology may have");
    return;
  }
  std::string problem;
  if (auto text = read_topology_file(file, problem)) {
    parse(file, *text);
  } else {
    broken_ = true;
    context_.report(item.begin, path, "'" + item.text + "': " + problem,
                    "relative paths start at this file's folder");
  }
}

void loader::read_section(const member& section) {
  const auto& name = section.key;
  if (name == "troupe")
    read_settings(section, topology_, troupe_fields());
  else if (name == "store")
    read_settings(section, topology_.store, store_fields());
  else if (name == "gateway")
    read_settings(section, topology_.gateway, gateway_fields());
  else if (name == "dispatcher")
    read_settings(section, topology_.dispatcher, dispatcher_fields());
  else if (name == "agents")
    read_cast(section, topology_.agents, &loader::read_agent);
  else if (name == "tools")
    read_cast(section, topology_.tools, &loader::read_tool);
  else if (name == "models")
    read_cast(section, topology_.models, &loader::read_model);
  else if (name == "mcp")
    read_cast(section, topology_.mcp, &loader::read_mcp);
  else if (name == "budgets")
    read_cast(section, topology_.budgets, &loader::read_budget);
  else if (name == "tenants")
    read_cast(section, topology_.tenants, &loader::read_tenant);
  else if (name == "supervisors")
    read_cast(section, topology_.supervisors, &loader::read_supervisor);
  else {
    context_.mask(section.value);
    context_.report(section.at, join("", name), "unknown table", did_you_mean(name, sections));
  }
}

template <class T>
void loader::read_settings(const member& section, T& out, const fields<T>& known) {
  if (section.value.type == node_type::table) {
    read_fields(context_, section.key, section.value, out, known);
  } else {
    context_.mask(section.value);
    context_.report(section.value.begin, section.key, "expected a table",
                    "write [" + section.key + "]");
  }
}

template <class T>
void loader::read_cast(const member& section, std::map<std::string, T>& out,
                       void (loader::*read_one)(const std::string& path, const node&, T&)) {
  for (const auto& m : section.value.members) {
    auto path = join(section.key, m.key);
    if (!is_name(m.key)) {
      context_.report(m.at, path, "is not a name",
                      "up to 64 letters, digits, '_' and '-': it stands in URLs and metrics");
      continue;
    }
    if (!context_.claim(path, m.at, position{}))
      continue;
    auto& options = out[m.key];
    options.name = m.key;
    if (m.value.type == node_type::table) {
      (this->*read_one)(path, m.value, options);
    } else {
      context_.mask(m.value);
      context_.report(m.value.begin, path, "expected a table", "write [" + path + "]");
    }
  }
  if (section.value.type != node_type::table) {
    context_.mask(section.value);
    context_.report(section.value.begin, section.key, "expected tables",
                    "write [" + section.key + ".NAME]");
  }
}

void loader::read_agent(const std::string& path, const node& table, agent_options& out) {
  out.class_name = out.name;
  const auto* given = table.find("class");
  bool chat = (given ? given->text : out.name) == chat_class_word;
  auto known = agent_fields();
  if (chat)
    known.insert(known.end(), chat_fields().begin(), chat_fields().end());
  read_fields(context_, path, table, out, known, [](std::string_view key) -> std::string {
    for (const auto& f : chat_fields())
      if (f.key == key)
        return "it belongs to agents of class = \"chat\"";
    return {};
  });
  context_.report(path, out.validate());
  if (chat)
    read_chat(path, out);
}

void loader::read_chat(const std::string& path, agent_options& out) {
  auto& chat = out.chat;
  context_.report(path, chat.validate());
  if (out.yields)
    context_.report_at_key(path + ".yields", "a conversation cannot let another turn in between",
                           "take it out");
  if (chat.system_file.empty())
    return;
  if (!chat.system.empty())
    context_.report_at_key(path + ".system_file", "the prompt is given twice, here and in system",
                           "take one of them out");
  std::string problem;
  auto text = read_topology_file(chat.system_file, problem);
  if (text && text->size() <= system_prompt_max)
    chat.system = std::move(*text);
  else if (text)
    context_.report_at_key(path + ".system_file", "is longer than 1 MiB: no model holds it");
}

void loader::read_tool(const std::string& path, const node& table, tool_options& out) {
  out.function.class_name = out.name;
  out.command.cwd = context_.resolve(context_.where(path), "");
  auto kind = kind_of<tool_kind>(table, context_);
  auto known = tool_fields();
  for (auto [name, one] : words<tool_kind>())
    if (!kind || one == *kind) // where the kind is wrong, the keys of any may be right
      known.insert(known.end(), tool_fields(one).begin(), tool_fields(one).end());
  foreign_hint hint;
  if (kind)
    hint = [own = *kind](std::string_view key) { return kind_hint(own, key); };
  read_fields(context_, path, table, out, known, hint);
  if (!table.find("kind"))
    context_.report_at_key(path, "kind is missing", "one of 'function', 'http', 'command'");
  if (kind)
    context_.report(path, out.validate());
}

void loader::read_model(const std::string& path, const node& table, endpoint_options& out) {
  read_fields(context_, path, table, out, model_fields());
  if (!table.find("kind"))
    context_.report_at_key(path, "kind is missing", "one of 'scripted', 'openai', 'openai_responses', 'anthropic', 'auto'");
  if (!kind_of<endpoint_kind>(table, context_))
    return; // what else it needs depends on its kind
  context_.report(path, out.validate());
  choose_endpoint(path, out);
}

void loader::choose_endpoint(const std::string& path, endpoint_options& out) {
  bool automatic = out.kind == endpoint_kind::automatic;
  if (automatic && out.api_key_env.empty())
    out.api_key_env = {"OPENAI_API_KEY"};
  bool found = false;
  std::string missing;
  int missing_count = 0;
  for (const auto& name : out.api_key_env) {
    auto key = context_.variable(name);
    if (!key || key->empty()) {
      missing += (missing.empty() ? "" : ", ") + name;
      ++missing_count;
      continue;
    }
    found = true;
    if (out.api_key.empty())
      out.api_key = secret{*key};
    else if (out.api_key.reveal() != *key)
      out.further_keys.emplace_back(*key);
  }
  if (automatic)
    out.kind = found ? endpoint_kind::openai : endpoint_kind::scripted;
  else if (out.kind != endpoint_kind::scripted && !missing.empty()
           && out.replay.empty()) // a cassette needs no key
    context_.report_at_key(path + ".api_key_env",
                           missing_count == 1
                             ? "the environment variable " + missing + " is not set"
                             : "the environment variables " + missing + " are not set",
                           "set it, or use kind = \"auto\" to do without");
}

void loader::read_budget(const std::string& path, const node& table, budget_options& out) {
  read_fields(context_, path, table, out, budget_fields());
  context_.report(path, out.validate());
}

void loader::read_tenant(const std::string& path, const node& table, tenant_options& out) {
  read_fields(context_, path, table, out, tenant_fields());
  context_.report(path, out.validate());
}

void loader::read_mcp(const std::string& path, const node& table, mcp_options& out) {
  out.cwd = context_.resolve(context_.where(path), "");
  out.defaults.kind = tool_kind::mcp;
  node own = table; // its tables of tools have keys of their own
  std::erase_if(own.members, [](const member& m) { return m.key == "defaults" || m.key == "tools"; });
  read_fields(context_, path, own, out, mcp_fields());
  if (const auto* all = table.find("defaults"))
    read_mcp_tool(join(path, "defaults"), *all, out.defaults);
  if (const auto* some = table.find("tools"))
    for (const auto& m : some->members) {
      auto inner = join(join(path, "tools"), m.key);
      if (!context_.claim(inner, m.at, position{}))
        continue;
      auto& one = out.tools.emplace(m.key, out.defaults).first->second;
      read_mcp_tool(inner, m.value, one);
    }
  context_.report(path, out.validate());
}

void loader::read_mcp_tool(const std::string& path, const node& table, tool_options& out) {
  auto known = tool_fields();
  std::erase_if(known, [](const auto& f) { return f.key == "kind" || f.key == "input_schema"; });
  const auto& more = tool_fields(tool_kind::mcp);
  known.insert(known.end(), more.begin(), more.end());
  out.mcp.effect_given = out.mcp.effect_given || table.find("effect") != nullptr;
  read_fields(context_, path, table, out, known, [](std::string_view key) -> std::string {
    return key == "kind" || key == "input_schema" ? "its server says that" : "";
  });
  auto wrong = out.validate();
  if (!out.mcp.effect_given) { // which it is will be known later: only what is wrong with any
    auto other = out;
    other.effect = effect_class::read;
    auto also = other.validate();
    std::erase_if(wrong, [&](const auto& p) { return std::ranges::find(also, p) == also.end(); });
  }
  context_.report(path, wrong);
}

void loader::read_supervisor(const std::string& path, const node& table,
                             supervisor_options& out) {
  read_fields(context_, path, table, out, supervisor_fields());
  context_.report(path, out.validate());
}

parse_result loader::finish() {
  auto& t = topology_;
  context_.report("store", t.store.validate());
  context_.report("gateway", t.gateway.validate());
  context_.report("dispatcher", t.dispatcher.validate());
  if (!broken_) // else names may be missing only because their file could not be read
    check_references(context_, t);
  parse_result out;
  if (!context_.clean()) {
    out.problems = context_.take_problems();
    return out;
  }
  complete_tree(t);
  t.locations = context_.locations();
  out.value = std::move(t);
  return out;
}

} // namespace troupe::config
