#pragma once
// The durable store's options: `[store]` in a topology.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace troupe {

/// Which store keeps the journals.
enum class store_kind : std::uint8_t {
  sqlite, ///< one file beside the topology; survives crashes and power cuts
  memory, ///< gone with the process: for tests and `check`
};

/// When a commit counts as durable.
enum class store_sync : std::uint8_t {
  full,   ///< on the disk: survives a power cut
  normal, ///< in the kernel: survives kill -9, a power cut may take the last commits
};

struct store_options {
  // Behaviour
  store_kind kind = store_kind::sqlite;
  /// The database file; relative to the topology's folder.
  std::filesystem::path path = "troupe.db";
  /// What was acknowledged must survive a power cut, so `full`; it costs one fdatasync a commit.
  store_sync synchronous = store_sync::full;
  /// Finished invocations are purged after this time; a week covers a weekend and a holiday.
  std::chrono::milliseconds retention = std::chrono::hours{24 * 7};
  /// Restorable generations per invocation; five reach past a bad deploy of a few checkpoints.
  std::uint32_t generations = 5;
  /// Entries in one generation that raise a warning: replay is still some milliseconds here.
  std::uint32_t entries_warn = 1'000;
  /// Entries in one generation that stop the invocation, naming `continue_as`.
  std::uint32_t entries_max = 50'000;

  // Performance
  /// Payloads above this many bytes become blobs: a page of SQLite holds what is below.
  std::size_t inline_max = 4'096;

  option_problems validate() const;
};

} // namespace troupe
