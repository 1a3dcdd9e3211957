#pragma once
// How long a peer asks us to wait.

#include "runtime/core/clock.hpp"
#include "runtime/net/http_headers.hpp"

#include <optional>

namespace troupe::net {

/// From `retry-after-ms`, or `retry-after` in seconds or as an HTTP date (zero where it is past).
/// Nothing when there is no such field or it makes no sense. At most 30 days.
std::optional<std::chrono::milliseconds> retry_after(const http_headers& headers, utc_time now);

} // namespace troupe::net
