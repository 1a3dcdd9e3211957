#include "runtime/store/sqlite_backup.hpp"

#include "runtime/store/files.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace troupe::store {
namespace {

// 1 MiB a step: SQLite locks the source within one, though nobody needs that lock in WAL mode.
constexpr int pages_per_step = 256;

result<void> copy_pages(const database::options& from, const std::string& to) {
  auto source = database::open(from);
  if (!source)
    return source.error();
  // One read transaction over all steps: without it, each commit would start the copy anew.
  if (!source->execute("BEGIN") || source->integer("SELECT count(*) FROM meta", -1) < 0)
    return source->failure("reading it for a backup");
  auto target = database::open({.path = to, .vfs = {}});
  if (!target)
    return target.error();
  auto* copy = sqlite3_backup_init(target->raw(), "main", source->raw(), "main");
  if (copy == nullptr)
    return target->failure("beginning a backup");
  auto code = SQLITE_OK;
  while (code == SQLITE_OK)
    code = sqlite3_backup_step(copy, pages_per_step);
  sqlite3_backup_finish(copy); // leaves the reason in the target
  if (code != SQLITE_DONE)
    return target->failure("writing a backup");
  return {};
}

} // namespace

result<void> copy_store(const database::options& source, const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored))
    return error{errc::conflict, fmt::format("backup file {} exists", file)};
  // Under another name until it is whole: a backup that was cut short must not look like one.
  auto partial = file + ".partial";
  std::filesystem::remove(partial, ignored);
  if (auto made = make_file(partial); !made)
    return made;
  auto done = copy_pages(source, partial);
  if (done && std::rename(partial.c_str(), file.c_str()) != 0)
    done = error{errc::store_failed,
                 fmt::format("cannot create backup file {}: {}", file, std::strerror(errno))};
  for (const auto* rest : {"", "-wal", "-shm", "-journal"})
    std::filesystem::remove(partial + rest, ignored);
  return done ? sync_directory(std::filesystem::path{file}.parent_path()) : done;
}

} // namespace troupe::store
