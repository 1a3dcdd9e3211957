#pragma once
// An MCP server's options: `[mcp.*]` in a topology.
//
// A server has tools of its own, which are known only when it is asked. So a topology says how to
// reach it, how far to trust it, and what holds for its tools: for all in `defaults`, for one in
// `tools.NAME`, with the keys that any other tool has.

#include "actors/supervision/supervisor_options.hpp"
#include "actors/tool/tool_options.hpp"
#include "runtime/core/options.hpp"
#include "runtime/core/secret.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Which protocol a server speaks.
enum class mcp_era : std::uint8_t {
  automatic, ///< asked: `server/discover`, and `initialize` where that is not understood
  legacy,    ///< a session that begins with `initialize`, up to 2025-11-25
  modern,    ///< no session, from 2026-07-28
};

struct mcp_options {
  // Behaviour
  std::string name;
  std::vector<std::string> argv; ///< program and arguments, no shell; or `url`
  std::filesystem::path cwd;     ///< empty: the topology's folder
  /// Names of environment variables that the program may see; no others reach it.
  std::vector<std::string> env{"PATH", "HOME", "LANG"};
  std::string url; ///< of the MCP endpoint (streamable HTTP)
  /// Values are secrets because that is what is mostly in them.
  std::map<std::string, secret> headers;
  bool tls_verify = true;
  std::string proxy; ///< URL; empty: none, the environment is not asked
  /// Its annotations are believed: a tool that says that it only reads is retried as one.
  bool trusted = false;
  /// Names of tools that agents may call; `*` stands for any text.
  std::vector<std::string> allow{"*"};
  mcp_era era = mcp_era::automatic;
  tool_options defaults;                     ///< of all its tools
  std::map<std::string, tool_options> tools; ///< of some, each on top of `defaults`

  // Performance
  /// The start of the troupe waits this long for its tools; then it goes on without.
  std::chrono::milliseconds start_timeout{5'000};
  /// For the answer to `server/discover`. A server that knows it answers as soon as it is up; one
  /// that does not may be silent.
  std::chrono::milliseconds probe_timeout{3'000};
  /// For `initialize` and `tools/list`: programs that are fetched first take their time.
  std::chrono::milliseconds request_timeout{30'000};
  /// Longest attempt of a tool that reports progress; without progress its `timeout` holds.
  std::chrono::milliseconds progress_max{300'000};
  /// One message of the server: a result, a page of its list. Longer: `output_too_large`.
  std::size_t response_size_max = std::size_t{4} << 20;
  /// Tools of one server; each has an actor, and no model chooses among more.
  std::uint32_t tools_max = 256;
  /// Between attempts to start it, or to reach it.
  backoff_options backoff{.min = std::chrono::milliseconds{200},
                          .max = std::chrono::milliseconds{30'000}};

  option_problems validate() const;

  /// What holds for one of its tools.
  const tool_options& of(const std::string& tool) const;
  /// Whether agents may call it.
  bool allows(std::string_view tool) const;
};

} // namespace troupe
