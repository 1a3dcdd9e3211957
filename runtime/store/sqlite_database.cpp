#include "runtime/store/sqlite_database.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <mutex>

namespace troupe::store {
namespace {

// SQLite counts every allocation under one global mutex unless told otherwise before its first use:
// a sixth of the rows per second here, for a statistic that nobody reads. Without effect where the
// host program has used SQLite before.
void drop_statistics() {
  static std::once_flag once;
  std::call_once(once, [] { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); });
}

bool means_no_room(int system_error) noexcept {
  return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

int last_error(sqlite3_file* file) noexcept {
  int code = 0;
  if (file != nullptr && file->pMethods != nullptr)
    file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &code);
  return code;
}

// The system's reason. SQLite hands it on from a statement, but not from a COMMIT: there the files
// know, the log (which it calls journal) first.
int system_error(sqlite3* db) noexcept {
  auto code = sqlite3_system_errno(db);
  for (auto which : {SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER}) {
    sqlite3_file* file = nullptr;
    if (code == 0 && sqlite3_file_control(db, "main", which, &file) == SQLITE_OK)
      code = last_error(file);
  }
  return code;
}

} // namespace

bool statement::execute() noexcept {
  if (!raw_)
    return false;
  sqlite3_step(raw());
  return sqlite3_reset(raw()) == SQLITE_OK; // gives the error of the step
}

std::string_view cursor::bytes(int column) const noexcept {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(raw_, column));
  auto size = static_cast<std::size_t>(sqlite3_column_bytes(raw_, column));
  return data == nullptr ? std::string_view{} : std::string_view{data, size};
}

digest cursor::hash(int column) const noexcept {
  digest d;
  auto found = bytes(column);
  if (found.size() == d.bytes.size())
    std::memcpy(d.bytes.data(), found.data(), found.size());
  return d;
}

result<database> database::open(const options& o) {
  drop_statistics();
  database out;
  out.path_ = o.path;
  sqlite3* raw = nullptr;
  // Without SQLite's own mutexes: every connection here belongs to one thread at a time.
  auto code = sqlite3_open_v2(o.path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                              o.vfs.empty() ? nullptr : o.vfs.c_str());
  out.raw_.reset(raw);
  if (code != SQLITE_OK)
    return out.failure("opening it");
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, static_cast<int>(o.busy_timeout.count()));
  // Cell sizes are checked when a page is read: a damaged page is found there and not later.
  auto setup = fmt::format("PRAGMA cell_size_check = ON; PRAGMA cache_size = -{}; "
                           "PRAGMA temp_store = MEMORY",
                           o.cache_kib);
  if (!out.execute(setup.c_str()))
    return out.failure("opening it");
  return out;
}

bool database::execute(const char* sql) noexcept {
  return sqlite3_exec(raw(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

statement database::prepare(std::string_view sql) noexcept {
  sqlite3_stmt* out = nullptr;
  sqlite3_prepare_v3(raw(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                     &out, nullptr);
  return statement{out};
}

std::int64_t database::integer(std::string_view sql, std::int64_t otherwise) noexcept {
  auto ask = prepare(sql);
  if (!ask)
    return otherwise;
  cursor rows{ask};
  return rows.next() ? rows.integer(0) : otherwise;
}

void database::rollback() noexcept {
  if (sqlite3_get_autocommit(raw()) == 0)
    execute("ROLLBACK");
}

error database::failure(std::string_view doing) const {
  if (!raw_)
    return {errc::store_failed, fmt::format("store {}: out of memory while {}", path_, doing)};
  auto code = sqlite3_extended_errcode(raw());
  auto io = (code & 0xFF) == SQLITE_IOERR || (code & 0xFF) == SQLITE_CANTOPEN;
  auto system = io ? system_error(raw()) : 0;
  if ((code & 0xFF) == SQLITE_FULL || (io && means_no_room(system)))
    return {errc::store_failed, fmt::format("store {}: no room left on the disk while {}", path_,
                                            doing)};
  std::string why = sqlite3_errstr(code);
  if (io && system != 0)
    why += fmt::format(", {}", std::strerror(system));
  auto text = fmt::format("store {}: {} (SQLite {}) while {}", path_, why, code, doing);
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {errc::corrupted, text + ": restore the last backup"};
    case SQLITE_CONSTRAINT:
      return {errc::conflict, text};
    default:
      return {errc::store_failed, text};
  }
}

} // namespace troupe::store
