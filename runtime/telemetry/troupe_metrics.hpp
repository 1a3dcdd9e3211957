#pragma once
// The metrics that every troupe has, by name, so that rooms agree on them.

#include "runtime/telemetry/metrics.hpp"

#include <string_view>

namespace troupe {

/// Registers itself in a `metrics` that outlives it. Copyable; all copies are the same series.
struct troupe_metrics {
  explicit troupe_metrics(metrics& registry);

  counter_family invocations;    ///< `troupe_invocations_total{agent,status}`: finished ones
  gauge_family invocations_open; ///< `troupe_invocations_open{agent}`
  gauge invocations_stuck;        ///< `troupe_invocations_stuck`: wait for a person
  gauge_family queue_depth;      ///< `troupe_queue_depth{agent}`
  counter replayed_steps;        ///< `troupe_replayed_steps_total`: since the start
  histogram journal_commit;      ///< `troupe_journal_commit_seconds`
  histogram journal_batch_rows;  ///< `troupe_journal_batch_rows`
  counter journal_syncs;         ///< `troupe_journal_syncs_total`
  counter_family tool_calls;     ///< `troupe_tool_calls_total{tool,result}`
  histogram_family tool_latency; ///< `troupe_tool_call_seconds{tool}`
  counter_family tool_fallbacks; ///< `troupe_tool_fallbacks_total{tool,from}`
  gauge_family breaker_state;    ///< `troupe_breaker_state{breaker}`: see breaker_number
  counter_family llm_requests;   ///< `troupe_llm_requests_total{endpoint,result}`
  counter_family llm_tokens;     ///< `troupe_llm_tokens_total{endpoint,direction}`
  gauge_family limiter_waiting;     ///< `troupe_limiter_waiting{endpoint}`: calls
  histogram_family limiter_wait;    ///< `troupe_limiter_wait_seconds{endpoint}`: of those that waited
  counter_family keys_refused;      ///< `troupe_llm_keys_refused_total{endpoint}`: an alarm
  counter_family restarts;       ///< `troupe_restarts_total{actor}`: a class, never an id
  counter_family http_requests;  ///< `troupe_http_requests_total{route,status}`
  histogram_family http_latency; ///< `troupe_http_request_seconds{route}`
};

/// What `troupe_breaker_state` shows: 0 closed or disabled, 1 half_open, 2 open or forced_open.
double breaker_number(std::string_view state) noexcept;

} // namespace troupe
