#pragma once
// From the target of a request to what it asks for.

#include "runtime/core/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::gateway {

enum class route : std::uint8_t {
  unknown, ///< 404
  invoke,  ///< POST /v1/agents/{agent}/invocations
  agents,  ///< GET /v1/agents
  list,    ///< GET /v1/invocations
  show,    ///< GET /v1/invocations/{id}
  journal, ///< GET /v1/invocations/{id}/journal
  events,  ///< GET /v1/invocations/{id}/events
  signal,  ///< POST /v1/invocations/{id}/signals/{name}
  cancel,  ///< POST /v1/invocations/{id}/cancel
  retry,   ///< POST /v1/invocations/{id}/retry
  resolve, ///< POST /v1/invocations/{id}/resolve
  breakers, ///< GET /v1/breakers
  breaker, ///< POST /v1/breakers/{name}/{open|close|auto}
  limits,  ///< GET /v1/limits
  healthz, ///< GET /healthz
  readyz,  ///< GET /readyz
  metrics, ///< GET /metrics
  completions, ///< POST /v1/chat/completions
  models,  ///< GET /v1/models, /v1/models/{agent}
  letters, ///< GET /v1/deadletters
  letter,  ///< GET /v1/deadletters/{id}
  letter_retry, ///< POST /v1/deadletters/{id}/retry
  letter_drop,  ///< POST /v1/deadletters/{id}/drop
};
inline constexpr std::size_t routes_count = 23;

/// The label in metrics: `invoke`, `show`.
std::string_view to_string(route r) noexcept;

/// `GET` or `POST`.
std::string_view method_of(route r) noexcept;

struct target {
  route which = route::unknown;
  std::string subject; ///< the agent, the invocation or the breaker
  std::string name;    ///< of a signal; what a breaker is to do
};

/// Reads a path; decodes percents. What is not understood is `unknown`.
target parse_path(std::string_view path);

/// `%2F` and the like; nothing where a `%` is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

/// The first value of `name` in a query, decoded; nothing where it is absent or malformed.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

/// RFC 3339 in UTC or with an offset: `2026-11-20T22:34:24.5Z`, `2026-11-20T22:34:24+01:00`.
std::optional<utc_time> parse_time(std::string_view text);

/// The text in `"a \"b\""`; what is not quoted stays as it is.
std::string unquoted(std::string_view text);

/// The host in `host:port`, `[::1]:7070` or, of an `Origin`, `http://host:port`; brackets stay.
std::string_view host_of(std::string_view authority) noexcept;

/// What `Prefer` says (RFC 7240).
struct preference {
  bool respond_async = false;
  std::optional<std::chrono::milliseconds> wait; ///< `wait=N`, seconds
};
preference parse_prefer(std::string_view header);

/// Compares without telling by its duration where the two differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

} // namespace troupe::gateway
