#pragma once
// A topology: who plays, with what, guarded how. TOML in, validated plain structs out.
//
// Whoever edits a topology at night needs all of its mistakes at once, each with its line and its
// remedy. So reading never stops at the first: it yields a topology in which every value is
// possible and every name exists, or the full list of what is wrong.

#include "actors/flow/dispatcher_options.hpp"
#include "actors/gateway/gateway_options.hpp"
#include "actors/guard/budget.hpp"
#include "actors/guard/tenant_options.hpp"
#include "actors/llm/llm_options.hpp"
#include "actors/supervision/supervisor_options.hpp"
#include "actors/tool/mcp_options.hpp"
#include "actors/tool/tool_options.hpp"
#include "config/diagnostic.hpp"
#include "config/environment.hpp"
#include "runtime/store/store_options.hpp"
#include "runtime/telemetry/events.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// `[troupe]`: what belongs to the process as a whole.
struct runtime_options {
  std::string name; ///< in events and metrics; the file's name without `.toml` where not given
  std::vector<std::string> include;           ///< the files that were read with this one
  std::vector<std::filesystem::path> plugins; ///< loaded in this order
  level log = level::info;                    ///< events below it are dropped
  std::uint32_t threads = 0;                  ///< of the scheduler; 0: see scheduler_options
};

/// Where a key stands, and its line for people.
struct location {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string excerpt;
  std::uint32_t caret = 0;
};

/// The name of the supervisor that is always there, above all others.
inline constexpr std::string_view root_supervisor = "root";

/// Everything that the binary needs to know.
struct topology {
  std::filesystem::path file;
  runtime_options runtime;
  store_options store;
  gateway_options gateway;
  dispatcher_options dispatcher;
  std::map<std::string, agent_options> agents;
  std::map<std::string, tool_options> tools;
  std::map<std::string, endpoint_options> models;
  std::map<std::string, mcp_options> mcp;
  std::map<std::string, budget_options> budgets;
  std::map<std::string, tenant_options> tenants;
  /// A tree below `root`: every tool, model, MCP server and other supervisor is the child of exactly one.
  std::map<std::string, supervisor_options> supervisors;
  /// Of every key that was given, by its path: `agents.triage.class`.
  std::map<std::string, location> locations;

  /// A mistake that only shows later (a class that no plugin has), with its place: that of the key
  /// or of the nearest table above it.
  diagnostic problem(std::string key_path, std::string message, std::string hint = {}) const;
};

/// A topology, or everything that is wrong with it, in the order of the files.
struct parse_result {
  std::optional<topology> value;
  std::vector<diagnostic> problems;

  explicit operator bool() const noexcept { return value.has_value(); }
};

/// Files above this many bytes are refused: a topology of 10,000 agents has a tenth of it.
inline constexpr std::size_t topology_size_max = std::size_t{4} << 20;
/// Files that one topology may be made of.
inline constexpr std::size_t topology_files_max = 64;

/// Reads a file and what it includes.
parse_result load_topology(const std::filesystem::path& file, const env_lookup& env);

/// Reads `text` as if it stood in `file`, which gives the folder of its relative paths and need not
/// exist.
parse_result parse_topology(std::string_view text, const std::filesystem::path& file,
                            const env_lookup& env);

} // namespace troupe::config
