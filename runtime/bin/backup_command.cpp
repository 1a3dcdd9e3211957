// `troupe backup` and `troupe version`.
#include "runtime/bin/commands.hpp"
#include "runtime/bin/terminal.hpp"
#include "runtime/core/plugin.hpp"
#include "runtime/store/sqlite_backup.hpp"

#include <caf/config.hpp>
#include <fmt/format.h>

#include <filesystem>

namespace troupe::cli {

int backup(const backup_options& o) {
  std::error_code failed;
  if (!std::filesystem::is_regular_file(o.store, failed)) {
    complain(fmt::format("--store: there is no store {}", o.store));
    return exit_usage;
  }
  // Its own connection: a process that has the store open goes on as if nothing were.
  auto target = std::filesystem::absolute(o.file).string();
  auto done = store::copy_store({.path = o.store, .vfs = {}}, target);
  if (!done) {
    complain(done.error().message);
    return done.error().code == errc::conflict ? exit_conflict : exit_failed;
  }
  say(fmt::format("{}: {} bytes", o.file, std::filesystem::file_size(target, failed)));
  return exit_ok;
}

int version() {
  say(fmt::format("{}; CAF {}.{}.{}; SQLite {}", runtime_stamp(), CAF_MAJOR_VERSION,
                  CAF_MINOR_VERSION, CAF_PATCH_VERSION, sqlite3_libversion()));
  return exit_ok;
}

} // namespace troupe::cli
