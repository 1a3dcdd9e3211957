#pragma once
// What servers say of their limits in headers: `x-ratelimit-*` (OpenAI and its kin), and
// `anthropic-ratelimit-*`. Pure; private to this folder.

#include "actors/guard/server_limits.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/net/http_transport.hpp"

#include <string_view>

namespace troupe {

/// What a response says; one that says nothing gives its status alone.
///
/// @param now for times at which limits are as new
server_limits limits_of(const net::http_response& response, utc_time now);

/// How long until a limit is as new: `6m0s`, `120ms`, `1.5`(seconds), or RFC 3339. Nothing for what
/// is none of these; at most a day.
std::optional<std::chrono::milliseconds> reset_in(std::string_view text, utc_time now);

} // namespace troupe
