#include "actors/llm/limit_headers.hpp"

#include "actors/llm/wire_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe {
namespace {

using std::chrono::milliseconds;

constexpr double day_ms = 24 * 3600e3;

/// Of a limit in tokens: what is worth waiting for.
constexpr double tokens_part = 0.01;

std::optional<double> number(std::string_view& text) {
  double value = 0;
  auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc{} || !std::isfinite(value) || value < 0)
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return value;
}

std::optional<double> number_in(const net::http_headers& h, std::string_view name) {
  const auto* found = h.find(name);
  if (found == nullptr)
    return std::nullopt;
  std::string_view text{*found};
  return number(text);
}

double unit_ms(std::string_view& text) {
  constexpr std::pair<std::string_view, double> units[]{
    {"ms", 1}, {"h", 3600e3}, {"m", 60e3}, {"s", 1e3}};
  for (auto [name, ms] : units)
    if (text.starts_with(name)) {
      text.remove_prefix(name.size());
      return ms;
    }
  return 0;
}

int digits(std::string_view text, std::size_t at, std::size_t n) {
  int value = 0;
  auto part = text.size() >= at + n ? text.substr(at, n) : std::string_view{};
  auto [stop, ec] = std::from_chars(part.data(), part.data() + part.size(), value);
  return ec == std::errc{} && stop == part.data() + n ? value : -1;
}

// `2026-01-27T12:00:30Z`, with a fraction or an offset from UTC.
std::optional<utc_time> date_of(std::string_view text) {
  using namespace std::chrono;
  if (text.size() < 20 || text[4] != '-' || (text[10] != 'T' && text[10] != ' '))
    return std::nullopt;
  int part[6];
  constexpr std::size_t at[6] = {0, 5, 8, 11, 14, 17};
  for (int i = 0; i < 6; ++i)
    if ((part[i] = digits(text, at[i], i == 0 ? 4 : 2)) < 0)
      return std::nullopt;
  auto date = year_month_day{year{part[0]}, month{static_cast<unsigned>(part[1])},
                             day{static_cast<unsigned>(part[2])}};
  if (!date.ok())
    return std::nullopt;
  auto out = sys_days{date} + hours{part[3]} + minutes{part[4]} + seconds{part[5]};
  auto zone = text.find_first_of("+-", 19);
  if (zone != std::string_view::npos) {
    auto offset = minutes{std::max(digits(text, zone + 1, 2), 0) * 60
                          + std::max(digits(text, zone + 4, 2), 0)};
    out = text[zone] == '+' ? out - offset : out + offset;
  }
  return time_point_cast<utc_time::duration>(out);
}

/// One kind of limit: what is left of it; and how long there is nothing of it.
struct family {
  std::optional<double> left;
  std::optional<milliseconds> rest;
};

// A limit fills evenly: the first request of 500 comes in a 500th of the time that all need.
family read(const net::http_headers& h, std::string_view prefix, std::string_view kind,
            utc_time now) {
  // `x-ratelimit-remaining-tokens`, but `anthropic-ratelimit-tokens-remaining`.
  bool kind_last = prefix.starts_with("x-");
  auto name = [&](std::string_view what) {
    return kind_last ? fmt::format("{}-{}-{}", prefix, what, kind)
                     : fmt::format("{}-{}-{}", prefix, kind, what);
  };
  family out;
  out.left = number_in(h, name("remaining"));
  const auto* reset = h.find(name("reset"));
  if (!out.left || *out.left >= 1 || reset == nullptr)
    return out;
  auto all = reset_in(*reset, now);
  if (!all)
    return out;
  auto limit = number_in(h, name("limit"));
  auto part = kind != "requests" ? tokens_part : limit && *limit >= 1 ? 1 / *limit : 1.0;
  out.rest = milliseconds{static_cast<std::int64_t>(static_cast<double>(all->count()) * part)};
  return out;
}

template <class T>
void keep(std::optional<T>& into, std::optional<T> other, bool smaller) {
  if (other && (!into || (smaller ? *other < *into : *other > *into)))
    into = other;
}

} // namespace

std::optional<milliseconds> reset_in(std::string_view text, utc_time now) {
  if (auto date = date_of(text)) {
    auto left = std::chrono::duration<double, std::milli>(*date - now).count();
    return milliseconds{static_cast<std::int64_t>(std::clamp(left, 0.0, day_ms))};
  }
  double ms = 0;
  bool any = false;
  while (!text.empty()) {
    auto value = number(text);
    if (!value)
      return std::nullopt;
    auto unit = text.empty() && !any ? 1e3 : unit_ms(text);
    if (unit == 0)
      return std::nullopt;
    ms += *value * unit;
    any = true;
  }
  if (!any)
    return std::nullopt;
  return milliseconds{static_cast<std::int64_t>(std::ceil(std::min(ms, day_ms)))};
}

server_limits limits_of(const net::http_response& response, utc_time now) {
  server_limits out;
  out.status = response.status;
  out.about_request = response.status == 403 && refuses_request(read_server_error(response.body));
  for (std::string_view prefix : {"x-ratelimit", "anthropic-ratelimit"}) {
    auto take = [&](std::string_view kind, std::optional<double>& into) {
      auto found = read(response.headers, prefix, kind, now);
      keep(into, found.left, true);
      keep(out.rest, found.rest, false);
    };
    take("requests", out.requests);
    take("tokens", out.input_tokens);
    take("input-tokens", out.input_tokens);
    take("output-tokens", out.output_tokens);
  }
  return out;
}

} // namespace troupe
