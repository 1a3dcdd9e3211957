#include "runtime/telemetry/events.hpp"

#include "runtime/core/json_text.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <iterator>

#include <poll.h>
#include <unistd.h>

namespace troupe {
namespace {

/// Long enough for a log collector that is being rescheduled, short beside any call's timeout.
constexpr std::chrono::milliseconds slow_reader_wait_max{100};

void append_text(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty())
    return;
  out += ",\"";
  out += name;
  out += "\":";
  append_string(out, value);
}

/// `tool:x` becomes `"tool":"x"`, so that a search for a tool needs no prefix.
void append_service(std::string& out, std::string_view service) {
  auto colon = service.find(':');
  auto kind = service.substr(0, colon);
  if (colon == std::string_view::npos || (kind != "tool" && kind != "llm"))
    append_text(out, "service", service);
  else
    append_text(out, kind, service.substr(colon + 1));
}

/// Whether the descriptor takes `PIPE_BUF` bytes without blocking, or fails at once.
bool takes_more(int fd, std::chrono::milliseconds wait) {
  pollfd ready{fd, POLLOUT, 0};
  int n = 0;
  do
    n = ::poll(&ready, 1, static_cast<int>(wait.count()));
  while (n < 0 && errno == EINTR);
  return n > 0;
}

} // namespace

std::string_view to_string(level l) noexcept {
  switch (l) {
  case level::debug:
    return "debug";
  case level::info:
    return "info";
  case level::warning:
    return "warning";
  case level::error:
    return "error";
  }
  return "info";
}

void append_json_line(std::string& out, const event& e, utc_time at) {
  out += "{\"ts\":\"";
  out += to_string(at);
  out += "\",\"level\":\"";
  out += to_string(e.lvl);
  out += '"';
  append_text(out, "event", e.name);
  append_text(out, "trace_id", e.trace_id);
  append_text(out, "span_id", e.span_id);
  append_text(out, "invocation", e.invocation);
  append_text(out, "agent", e.agent);
  append_service(out, e.service);
  if (e.attempt != 0)
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"attempt\":{}"), e.attempt);
  if (e.latency)
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(",\"latency_ms\":{}.{:03}"),
                   e.latency->count() / 1000, e.latency->count() % 1000);
  append_text(out, "result", e.result);
  for (const auto& [name, json] : e.fields) {
    out += ',';
    append_string(out, name);
    out += ':';
    out += json.empty() ? std::string_view{"null"} : std::string_view{json};
  }
  out += '}';
}

std::string to_json_line(const event& e, utc_time at) {
  std::string line;
  append_json_line(line, e, at);
  return line;
}

json_line_sink::json_line_sink(int fd, level threshold, const time_source& clock)
  : fd_(fd), threshold_(threshold), clock_(clock) {}

void json_line_sink::write(const event& e) {
  if (e.lvl < threshold_)
    return;
  std::lock_guard lock{mutex_};
  line_.clear();
  if (torn_)
    line_ += '\n';
  auto reported = dropped_ - reported_;
  if (reported != 0)
    append_dropped(reported);
  auto head = line_.size();
  append_json_line(line_, e, clock_.now());
  line_ += '\n';
  auto written = write_line();
  if (written >= head)
    reported_ += reported;
  if (written == line_.size()) {
    torn_ = false;
    return;
  }
  if (written > 0)
    torn_ = line_[written - 1] != '\n';
  ++dropped_;
}

void json_line_sink::append_dropped(std::uint64_t lines) {
  event lost;
  lost.lvl = level::warning;
  lost.name = "telemetry.dropped";
  lost.fields.emplace_back("lines", std::to_string(lines));
  append_json_line(line_, lost, clock_.now());
  line_ += '\n';
}

/// Writes `line_`, or says how much of it. The descriptor may block: poll says when it does not,
/// and for a pipe that holds for `PIPE_BUF` bytes.
std::size_t json_line_sink::write_line() {
  auto began = clock_.steady();
  std::size_t done = 0;
  while (done < line_.size()) {
    auto wait = std::chrono::milliseconds::zero();
    if (!stalled_)
      wait = std::max(wait, std::chrono::ceil<std::chrono::milliseconds>(
                              slow_reader_wait_max - (clock_.steady() - began)));
    stalled_ = !takes_more(fd_, wait);
    if (stalled_)
      break;
    auto n = ::write(fd_, line_.data() + done, std::min<std::size_t>(line_.size() - done, PIPE_BUF));
    if (n >= 0)
      done += static_cast<std::size_t>(n);
    else if (errno != EINTR)
      break; // also where another process was faster to fill the pipe
  }
  return done;
}

} // namespace troupe
