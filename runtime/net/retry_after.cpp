#include "runtime/net/retry_after.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace troupe::net {
namespace {

using std::chrono::milliseconds;

/// Longer waits are somebody's mistake, and sums with them must not overflow.
constexpr milliseconds wait_max = std::chrono::hours{24 * 30};

std::optional<milliseconds> bounded(double ms) {
  if (!std::isfinite(ms) || ms < 0)
    return std::nullopt;
  return milliseconds{
    static_cast<std::int64_t>(std::min(ms, static_cast<double>(wait_max.count())))};
}

std::optional<double> number(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  auto end = text.find_last_not_of(" \t");
  if (begin == std::string_view::npos)
    return std::nullopt;
  const char* last = text.data() + end + 1;
  double value = 0;
  auto [stop, ec] = std::from_chars(text.data() + begin, last, value);
  return ec == std::errc{} && stop == last ? std::optional{value} : std::nullopt;
}

} // namespace

std::optional<milliseconds> retry_after(const http_headers& headers, utc_time now) {
  if (const auto* ms = headers.find("retry-after-ms"))
    if (auto value = number(*ms))
      if (auto wait = bounded(*value))
        return wait;
  const auto* text = headers.find("retry-after");
  if (text == nullptr)
    return std::nullopt;
  if (auto seconds = number(*text))
    return bounded(std::ceil(*seconds * 1000));
  auto date = curl_getdate(text->c_str(), nullptr);
  if (date < 0)
    return std::nullopt;
  auto at = std::chrono::duration<double, std::milli>(std::chrono::seconds{date});
  auto since = std::chrono::duration<double, std::milli>(now.time_since_epoch());
  return bounded(std::max(0.0, std::ceil((at - since).count())));
}

} // namespace troupe::net
