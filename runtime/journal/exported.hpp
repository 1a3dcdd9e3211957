#pragma once
// An invocation's whole journal as a file of JSON lines: what `troupe journal ID --export` writes.
//
// A journal in a store is bound to that store: to its blobs, its numbers, its machine. To look at
// yesterday's run in a test, on another machine or in ten years, it must stand on its own, be
// readable without us, and be refused as soon as one character of it has changed. So here all
// values are inlined, every line carries a checksum over itself and all lines before it, and the
// last line the SHA-256 of the whole. README.md in this folder specifies the format, line by line.
//
//     auto text = journal::write_export(what);
//     auto back = journal::read_export(*text, "refund.journal");   // as it was, or file:line: why
//
// It holds what the journal holds, nothing more: no headers, no tokens, no settings.

#include "runtime/journal/entry.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::journal {

/// The version of the file's form.
inline constexpr std::uint32_t export_version = 1;

/// Bytes of one file. A generation of 50,000 entries of 1 KiB fits; more is refused by name, as
/// the server builds it in memory.
inline constexpr std::size_t export_size_max = std::size_t{64} << 20;

/// A message of a conversation and what came before it; see "Chains" in README.md.
struct chain_link {
  digest before{};   ///< zeros: it is the first
  std::string text;  ///< JSON
};

/// One invocation, with all that its rows refer to.
struct exported {
  std::string id;          ///< `k3f9x2-17`
  invocation_no no = 0;
  std::string agent;       ///< as the topology names it
  std::string agent_class; ///< empty: not known (the agent is gone)
  std::string key;         ///< of a keyed agent
  std::string status;      ///< when it was written
  std::string parent;      ///< id; empty: none
  /// Payloads are inlined, but for the conversation of a model's command: that is the name of its
  /// last message in `chain`.
  std::vector<row> rows;
  std::map<digest, chain_link> chain;

  /// The messages of a model's command, a JSON array.
  std::string messages(const digest& last) const;
};

/// @returns `errc::output_too_large` past `export_size_max`
result<std::string> write_export(const exported& what);

/// @param name what errors call it, e.g. the file's name
/// @returns `errc::corrupted` for what was changed or cut off, `errc::invalid_input` for what is no
///          such file or another version of it: `refund.journal:17: ...`
result<exported> read_export(std::string_view text, std::string_view name);

} // namespace troupe::journal
