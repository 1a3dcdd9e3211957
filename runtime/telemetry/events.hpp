#pragma once
// What happened, one structured line each.
//
// A run that cannot be rebuilt afterwards cannot be debugged. Every call, state change and decision
// becomes an `event`; a sink turns it into a JSON line, a metric, or a row in a test.

#include "runtime/core/clock.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe {

enum class level : std::uint8_t { debug, info, warning, error };

std::string_view to_string(level l) noexcept;

/// One thing that happened. `name` is a dotted word from the table in runtime/telemetry/README.md.
struct event {
  level lvl = level::info;
  std::string_view name; ///< a literal: `tool.call`, `invocation.completed`
  std::string invocation;
  std::string agent;
  std::string service; ///< `tool:x` or `llm:y`
  std::string result;  ///< `ok` or an error code
  std::uint32_t attempt = 0;
  std::optional<std::chrono::microseconds> latency{};
  /// Further fields as (name, JSON text). Never a secret.
  std::vector<std::pair<std::string, std::string>> fields{};
  std::string trace_id{}; ///< W3C, 32 hex digits
  std::string span_id{};  ///< W3C, 16 hex digits
};

/// Where events go. `write` may be called from any thread and must not block for long.
class event_sink {
public:
  virtual ~event_sink() = default;
  virtual void write(const event& e) = 0;
};

/// Drops everything.
class null_sink final : public event_sink {
public:
  void write(const event&) override {}
};

/// One JSON object a line, to a file descriptor that stays open (stderr by default), blocking or
/// not. A line of up to `PIPE_BUF` bytes is one write(2), so lines of several processes on one pipe
/// do not mix. A reader that does not keep up is waited for 100 ms, once; from then on lines are
/// dropped until it reads again, and `telemetry.dropped` says how many: a full pipe must not stop
/// agents.
class json_line_sink final : public event_sink {
public:
  /// @param fd        not owned
  /// @param threshold events below it are dropped
  json_line_sink(int fd, level threshold, const time_source& clock);
  void write(const event& e) override;

  /// Lines lost because the reader was too slow or the descriptor failed.
  std::uint64_t dropped() const noexcept { return dropped_; }

private:
  void append_dropped(std::uint64_t lines);
  std::size_t write_line();

  int fd_;
  level threshold_;
  const time_source& clock_;
  std::mutex mutex_;
  std::string line_;  ///< kept, so that a line costs no allocation
  bool torn_ = false;    ///< the last line was cut: begin the next with a newline
  bool stalled_ = false; ///< the reader was waited for in vain, and has not read since
  std::uint64_t reported_ = 0; ///< of those dropped: what `telemetry.dropped` has said
  std::atomic<std::uint64_t> dropped_{0};
};

/// The line that `json_line_sink` writes for `e`, without the newline.
std::string to_json_line(const event& e, utc_time at);

/// The same, appended to `out`.
void append_json_line(std::string& out, const event& e, utc_time at);

} // namespace troupe
