#pragma once
// Reads the files of one topology, table by table.

#include "config/context.hpp"
#include "config/tables.hpp"

namespace troupe::config {

/// The text of a file; nothing, and why, when it is not there, not readable or too large.
std::optional<std::string> read_topology_file(const std::filesystem::path& file,
                                              std::string& problem);

/// Lives as long as one reading.
class loader {
public:
  explicit loader(const env_lookup& env) : context_(env) {}

  /// Reads `text`, then what it includes.
  void read(const std::filesystem::path& file, std::string_view text);

  /// Checks the whole and ends the reading.
  parse_result finish();

private:
  void parse(const std::filesystem::path& file, std::string_view text);
  void include(const node& root);
  void include_one(const std::string& path, const node& item);
  void syntax_error(std::uint32_t file, diagnostic problem);

  void read_section(const member& section);
  template <class T>
  void read_settings(const member& section, T& out, const fields<T>& known);
  template <class T>
  void read_cast(const member& section, std::map<std::string, T>& out,
                 void (loader::*read_one)(const std::string& path, const node&, T&));

  void read_agent(const std::string& path, const node& table, agent_options& out);
  void read_chat(const std::string& path, agent_options& out);
  void read_tool(const std::string& path, const node& table, tool_options& out);
  void read_model(const std::string& path, const node& table, endpoint_options& out);
  void choose_endpoint(const std::string& path, endpoint_options& out);
  void read_budget(const std::string& path, const node& table, budget_options& out);
  void read_tenant(const std::string& path, const node& table, tenant_options& out);
  void read_mcp(const std::string& path, const node& table, mcp_options& out);
  void read_mcp_tool(const std::string& path, const node& table, tool_options& out);
  void read_supervisor(const std::string& path, const node& table, supervisor_options& out);

  context context_;
  topology topology_;
  std::vector<std::filesystem::path> open_; ///< the files that include each other, outermost first
  std::vector<std::filesystem::path> seen_;
  bool broken_ = false; ///< a file could not be read or parsed
};

} // namespace troupe::config
