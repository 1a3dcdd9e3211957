#pragma once
// What a troupe's tools are for, and what arguments they take: for models that choose among them.
//
// An agent in code knows its tools. A chat agent is given names, and must tell its model the rest:
// the topology's tools say it when they start, those of MCP servers when their server has been asked,
// and again when it changes its mind. So there is one list, filled by who knows and read by who asks.
//
// Thread-safe.

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct catalog_entry {
  std::string name; ///< as agents call it: `ticketing`, `fs.read_file`
  std::string description;
  std::string parameters; ///< JSON Schema, JSON text; empty: not known, anything goes
};

class tool_catalog {
public:
  void put(catalog_entry entry);
  void remove(std::string_view name);

  /// Those that `pattern` means, sorted: one name, or all of a server, `fs.*`.
  std::vector<catalog_entry> find(std::string_view pattern) const;

private:
  mutable std::mutex mutex_;
  std::map<std::string, catalog_entry, std::less<>> entries_;
};

/// Whether `pattern` (`ticketing`, `fs.*`) means the tool `name`.
bool names_tool(std::string_view pattern, std::string_view name) noexcept;

} // namespace troupe
