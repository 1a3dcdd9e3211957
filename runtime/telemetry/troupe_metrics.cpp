#include "runtime/telemetry/troupe_metrics.hpp"

namespace troupe {
namespace {

/// Rows in one commit: 1 when idle, thousands when hundreds of invocations run.
std::vector<double> row_bounds() {
  return {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1'024, 4'096, 16'384};
}

} // namespace

troupe_metrics::troupe_metrics(metrics& registry)
  : invocations(registry.counters("troupe_invocations_total", "Invocations that have ended.",
                                  {"agent", "status"})),
    invocations_open(registry.gauges(
      "troupe_invocations_open", "Invocations that were accepted and have not ended.", {"agent"})),
    invocations_stuck(
      registry.gauges("troupe_invocations_stuck", "Invocations that wait for a person.", {})
        .with({})),
    queue_depth(
      registry.gauges("troupe_queue_depth", "Invocations that wait for a slot.", {"agent"})),
    replayed_steps(
      registry.counters("troupe_replayed_steps_total",
                        "Recorded outcomes served again instead of doing the work again.", {})
        .with({})),
    journal_commit(registry
                     .histograms("troupe_journal_commit_seconds",
                                 "Time from the first append of a batch until it is durable.", {},
                                 latency_bounds())
                     .with({})),
    journal_batch_rows(
      registry.histograms("troupe_journal_batch_rows", "Rows in one commit.", {}, row_bounds())
        .with({})),
    journal_syncs(
      registry.counters("troupe_journal_syncs_total", "Commits that were synced to the disk.", {})
        .with({})),
    tool_calls(registry.counters("troupe_tool_calls_total", "Tool calls that have ended.",
                                 {"tool", "result"})),
    tool_latency(registry.histograms("troupe_tool_call_seconds",
                                     "Duration of a tool call, over all its attempts.", {"tool"},
                                     latency_bounds())),
    tool_fallbacks(registry.counters("troupe_tool_fallbacks_total",
                                     "Tool calls that a fallback has answered.", {"tool", "from"})),
    breaker_state(registry.gauges("troupe_breaker_state",
                                  "0: lets calls through, 1: probes, 2: refuses.", {"breaker"})),
    llm_requests(registry.counters("troupe_llm_requests_total", "Requests to model endpoints.",
                                   {"endpoint", "result"})),
    llm_tokens(registry.counters("troupe_llm_tokens_total",
                                 "Tokens as the provider counts them: input, output.",
                                 {"endpoint", "direction"})),
    limiter_waiting(registry.gauges(
      "troupe_limiter_waiting", "Calls that wait for their turn at a model.", {"endpoint"})),
    limiter_wait(registry.histograms("troupe_limiter_wait_seconds",
                                     "How long calls waited that did not go at once.",
                                     {"endpoint"}, latency_bounds())),
    keys_refused(registry.counters("troupe_llm_keys_refused_total",
                                   "API keys that a server refused and that were set aside.",
                                   {"endpoint"})),
    restarts(registry.counters("troupe_restarts_total", "Restarts by supervisors.", {"actor"})),
    http_requests(registry.counters("troupe_http_requests_total", "HTTP requests answered.",
                                    {"route", "status"})),
    http_latency(registry.histograms("troupe_http_request_seconds",
                                     "Time from a request's last byte to its answer.", {"route"},
                                     latency_bounds())) {}

double breaker_number(std::string_view state) noexcept {
  return state == "half_open" ? 1 : state == "open" || state == "forced_open" ? 2 : 0;
}

} // namespace troupe
