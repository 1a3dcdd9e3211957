#pragma once
// What people see. Private to this room.

#include <boost/json/value.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// Whether `stream` is a terminal.
bool is_terminal(std::FILE* stream) noexcept;

/// Writes `text` and a newline; what cannot be written is lost (the reader has gone).
void say(std::string_view text);
/// The same to stderr, with `troupe: ` before it.
void complain(std::string_view text);

/// Columns that line up; the last one is cut where a terminal ends.
class table {
public:
  explicit table(std::vector<std::string> head) { add(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void print() const;

private:
  std::vector<std::vector<std::string>> rows_;
};

/// One line on stderr that is written over again; nothing where stderr is no terminal.
class progress_line {
public:
  progress_line();
  ~progress_line();
  void show(std::string_view text);

private:
  bool on_;
  bool shown_ = false;
};

/// JSON over several lines, indented by two.
std::string pretty(const boost::json::value& v, int indent = 0);

/// A list in an object; empty where it is missing.
const boost::json::array& array_of(const boost::json::value& v, std::string_view name);

/// A member of an object, as text; empty where it is missing.
std::string text_of(const boost::json::value& v, std::string_view name);

/// `2026-11-20T22:34:24.000000Z` as `2026-11-20 22:34:24`; other texts as they are.
std::string short_time(std::string_view rfc3339);

/// Text whose control characters cannot move the cursor.
std::string printable(std::string_view text);

} // namespace troupe::cli
