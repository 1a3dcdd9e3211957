#include "runtime/telemetry/events.hpp"

#include "runtime/core/json_text.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <cerrno>
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

/// Writes all of `text`, or says how much.
std::size_t write_all(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    auto n = ::write(fd, text.data() + done, text.size() - done);
    if (n >= 0) {
      done += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR)
      continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
      break;
    pollfd ready{fd, POLLOUT, 0};
    if (::poll(&ready, 1, static_cast<int>(slow_reader_wait_max.count())) <= 0)
      break;
  }
  return done;
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
  append_json_line(line_, e, clock_.now());
  line_ += '\n';
  auto written = write_all(fd_, line_);
  if (written == line_.size()) {
    torn_ = false;
    return;
  }
  torn_ = torn_ || written > 0;
  ++dropped_;
}

} // namespace troupe
