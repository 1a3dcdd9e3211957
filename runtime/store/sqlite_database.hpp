#pragma once
// SQLite's C interface, as this room needs it. Only sources of this room include it.
//
// Functions return false on failure; `database::failure` then says what it was. So a chain of
// steps reads `a() && b() && c()` and the reason is built once, where it is known what was tried.

#include "runtime/store/store.hpp"

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

namespace troupe::store {

/// A prepared statement. Binding copies nothing: what is bound must live until the statement is
/// reset. Null statements (prepared on a broken schema) fail.
class statement {
public:
  statement() = default;
  explicit statement(sqlite3_stmt* raw) : raw_(raw) {}

  explicit operator bool() const noexcept { return raw_ != nullptr; }

  template <class... T>
  void bind(const T&... values) noexcept {
    int i = 0;
    (put(++i, values), ...);
  }

  /// Binds, executes, resets. For statements without result rows.
  template <class... T>
  bool run(const T&... values) noexcept {
    bind(values...);
    return execute();
  }

  sqlite3_stmt* raw() const noexcept { return raw_.get(); }

private:
  struct finalizer {
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
  };

  // A null pointer would bind NULL, where an empty text is meant.
  static const char* start(std::string_view s) noexcept {
    return s.data() == nullptr ? "" : s.data();
  }

  bool execute() noexcept;

  template <class I>
    requires(std::is_integral_v<I> || std::is_enum_v<I>)
  void put(int i, I v) noexcept {
    sqlite3_bind_int64(raw(), i, static_cast<sqlite3_int64>(v));
  }
  void put(int i, utc_time t) noexcept {
    sqlite3_bind_int64(raw(), i, t.time_since_epoch().count());
  }
  void put(int i, std::string_view text) noexcept {
    sqlite3_bind_text64(raw(), i, start(text), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  void put(int i, const std::string& text) noexcept { put(i, std::string_view{text}); }
  void put(int i, const digest& d) noexcept {
    sqlite3_bind_blob64(raw(), i, d.bytes.data(), d.bytes.size(), SQLITE_STATIC);
  }

public:
  /// Marks bytes that are not text.
  struct bytes {
    std::string_view data;
  };

private:
  void put(int i, bytes b) noexcept {
    sqlite3_bind_blob64(raw(), i, start(b.data), b.data.size(), SQLITE_STATIC);
  }

  std::unique_ptr<sqlite3_stmt, finalizer> raw_;
};

/// The rows of one execution. Resets the statement at its end, so that no snapshot stays pinned.
class cursor {
public:
  template <class... T>
  explicit cursor(statement& s, const T&... values) noexcept : raw_(s.raw()) {
    s.bind(values...);
  }
  cursor(const cursor&) = delete;
  cursor& operator=(const cursor&) = delete;
  ~cursor() { sqlite3_reset(raw_); }

  bool next() noexcept {
    last_ = sqlite3_step(raw_);
    return last_ == SQLITE_ROW;
  }
  bool failed() const noexcept { return last_ != SQLITE_ROW && last_ != SQLITE_DONE; }

  std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(raw_, column); }
  std::uint64_t number(int column) const noexcept {
    return static_cast<std::uint64_t>(integer(column));
  }
  utc_time time(int column) const noexcept {
    return utc_time{std::chrono::microseconds{integer(column)}};
  }
  /// Text or blob; valid until the next step.
  std::string_view bytes(int column) const noexcept;
  std::string string(int column) const { return std::string{bytes(column)}; }
  digest hash(int column) const noexcept;

private:
  sqlite3_stmt* raw_;
  int last_ = SQLITE_DONE;
};

/// One connection, used by one thread at a time.
class database {
public:
  struct options {
    std::string path;
    std::string vfs; ///< empty: the default
    std::chrono::milliseconds busy_timeout{5'000};
    int cache_kib = 2'048;
  };

  static result<database> open(const options& o);

  bool execute(const char* sql) noexcept;
  statement prepare(std::string_view sql) noexcept;
  /// The first column of the first row; `otherwise` for no row or a failure.
  std::int64_t integer(std::string_view sql, std::int64_t otherwise) noexcept;
  /// Does nothing where SQLite has rolled back by itself.
  void rollback() noexcept;

  /// Why the last call failed. `doing` ends "... while", e.g. "committing".
  error failure(std::string_view doing) const;

  sqlite3* raw() const noexcept { return raw_.get(); }
  const std::string& path() const noexcept { return path_; }

private:
  struct closer {
    void operator()(sqlite3* d) const noexcept { sqlite3_close(d); }
  };

  std::unique_ptr<sqlite3, closer> raw_;
  std::string path_;
};

} // namespace troupe::store
