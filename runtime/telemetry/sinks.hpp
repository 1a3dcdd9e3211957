#pragma once
// Sinks made of other sinks, and one that remembers.
//
// A process writes its events to stderr, to metrics and to subscribers at once; a test wants to
// look at them afterwards.

#include "runtime/telemetry/events.hpp"

#include <cstddef>
#include <deque>

namespace troupe {

/// Passes each event to several sinks, in the order in which they were given. The set is fixed at
/// birth, so that `write` takes no lock.
class fan_out_sink final : public event_sink {
public:
  /// @param targets not owned; they outlive this
  explicit fan_out_sink(std::vector<event_sink*> targets) : targets_(std::move(targets)) {}

  void write(const event& e) override {
    for (auto* target : targets_)
      target->write(e);
  }

private:
  std::vector<event_sink*> targets_;
};

/// Keeps the latest events. Thread-safe.
class memory_sink final : public event_sink {
public:
  /// @param capacity events kept; the oldest makes room (at some 300 bytes each: 3 MiB)
  explicit memory_sink(std::size_t capacity = 10'000) : capacity_(capacity == 0 ? 1 : capacity) {}

  void write(const event& e) override;

  /// What is kept, oldest first.
  std::vector<event> events() const;
  /// How many of the kept ones have this name.
  std::size_t count(std::string_view name) const;
  /// How many made room for others.
  std::uint64_t dropped() const;
  void clear();

private:
  std::size_t capacity_;
  mutable std::mutex mutex_;
  std::deque<event> kept_;
  std::uint64_t dropped_ = 0;
};

} // namespace troupe
