#include "runtime/telemetry/metrics_sink.hpp"

#include <charconv>

namespace troupe {
namespace {

/// `tool:knowledge` gives `knowledge`: a class of things, never an id.
std::string_view name_of(std::string_view service) {
  auto colon = service.find(':');
  return colon == std::string_view::npos ? service : service.substr(colon + 1);
}

/// A field that holds a number; 0 where there is none.
double number_in(const event& e, std::string_view field) {
  std::uint64_t n = 0;
  for (const auto& [name, json] : e.fields)
    if (name == field)
      std::from_chars(json.data(), json.data() + json.size(), n);
  return static_cast<double>(n);
}

/// The three ways to end. An event says `completed`, or why not.
std::string_view status_of(std::string_view result) {
  if (result == "completed")
    return result;
  return result == "cancelled" || result == "deadline_exceeded" ? "cancelled" : "failed";
}

} // namespace

void metrics_sink::write(const event& e) {
  if (e.name == "invocation.ended") {
    numbers_.invocations.with({e.agent, status_of(e.result)}).add();
  } else if (e.name == "tool.call") {
    auto tool = name_of(e.service);
    numbers_.tool_calls.with({tool, e.result}).add();
    if (e.latency)
      numbers_.tool_latency.with({tool}).observe(*e.latency);
  } else if (e.name == "llm.call") {
    auto endpoint = name_of(e.service);
    numbers_.llm_requests.with({endpoint, e.result}).add();
    tokens(e, endpoint);
  } else if (e.name == "limiter.waits" || e.name == "limiter.waited") {
    auto endpoint = name_of(e.service);
    if (e.latency)
      numbers_.limiter_wait.with({endpoint}).observe(*e.latency);
    numbers_.limiter_waiting.with({endpoint}).set(number_in(e, "waiting"));
  } else if (e.name == "limiter.key_refused") {
    numbers_.keys_refused.with({name_of(e.service)}).add();
  } else if (e.name == "tool.fallback") {
    for (const auto& [name, json] : e.fields)
      if (name == "from" && json.size() > 2) // a JSON text without escapes
        numbers_.tool_fallbacks
          .with({name_of(e.service), std::string_view{json}.substr(1, json.size() - 2)})
          .add();
  } else if (e.name == "breaker.changed" || e.name == "breaker.started") {
    numbers_.breaker_state.with({e.service}).set(breaker_number(e.result));
  } else if (e.name == "journal.commit_failed" || e.name == "journal.recovered") {
    auto failed = e.name == "journal.commit_failed";
    numbers_.breaker_state.with({"store"}).set(breaker_number(failed ? "open" : "closed"));
  } else if (e.name == "supervisor.restart") {
    numbers_.restarts.with({name_of(e.service)}).add();
  }
}

void metrics_sink::tokens(const event& e, std::string_view endpoint) const {
  for (const auto& [name, json] : e.fields) {
    if (name != "input_tokens" && name != "output_tokens")
      continue;
    std::uint64_t n = 0;
    std::from_chars(json.data(), json.data() + json.size(), n);
    auto direction
      = name == "input_tokens" ? std::string_view{"input"} : std::string_view{"output"};
    numbers_.llm_tokens.with({endpoint, direction}).add(static_cast<double>(n));
  }
}

} // namespace troupe
