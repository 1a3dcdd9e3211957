#pragma once
// Turns events into numbers.
//
// Whoever does something writes an event; nobody should have to count it as well. This sink reads
// the few event names that the metrics of every troupe are made of.

#include "runtime/telemetry/events.hpp"
#include "runtime/telemetry/troupe_metrics.hpp"

namespace troupe {

/// `invocation.ended`, `tool.call`, `llm.call` and `supervisor.restart`; drops the rest.
class metrics_sink final : public event_sink {
public:
  /// @param numbers of a registry that outlives this
  explicit metrics_sink(troupe_metrics numbers) : numbers_(std::move(numbers)) {}
  void write(const event& e) override;

private:
  void tokens(const event& e, std::string_view endpoint) const;

  troupe_metrics numbers_;
};

} // namespace troupe
