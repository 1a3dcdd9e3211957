#pragma once
// Errors as HTTP answers: `application/problem+json` (RFC 9457).

#include "runtime/core/error.hpp"

#include <string>
#include <string_view>

namespace troupe::net {

inline constexpr std::string_view problem_content_type = "application/problem+json";

/// The status for an error that nobody has a better one for. `overloaded` and `rate_limited` are
/// 429, what is our own fault 500, what the far side did 502, what may work later 503, what took
/// too long 504.
int http_status(errc code) noexcept;

/// The body: `type`, `title` (the status in words), `status`, `detail`, `instance`, and as
/// extension `code`, the word from `errc` that programs branch on. Empty parts are left out.
std::string problem_json(int status, errc code, std::string_view detail,
                         std::string_view instance = {});

/// The same for an error, with `retry_after_ms` and `outcome: "unknown"` where it has them.
std::string problem_json(const error& e, std::string_view instance = {});

} // namespace troupe::net
