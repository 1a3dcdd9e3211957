#pragma once
// How much of a service may be used: `[models.*.limits]` in a topology.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstdint>

namespace troupe {

/// The limits of one API key; an endpoint with several keys has as many times as much.
struct rate_limit_options {
  // Behaviour
  /// 0, here and below: no limit of this kind.
  std::uint32_t requests_per_minute = 0;
  std::uint64_t input_tokens_per_minute = 0;
  std::uint64_t output_tokens_per_minute = 0;
  /// Requests in flight at once with this key; 0: as many as the endpoint may have in all.
  std::uint32_t concurrent = 0;
  /// Finds out how many requests in flight the far side takes, up to `concurrent`: one more for
  /// each round that goes well, half after a 429 or 529 (AIMD). Else `concurrent` holds, but for a
  /// slow start after a 429.
  bool adaptive = false;
  /// Of `adaptive`: a fifth less where streamed answers begin so many times later than they
  /// usually do, since a server's queue grows before it refuses anything. 0: only refusals count.
  /// Answers in one piece say nothing: their time is that of their length.
  double slow_first_token = 2;

  // Performance
  /// This much of a minute's limit may be used at once, after a pause. Both this and `jitter` are
  /// taken off the rate, so that no window of 60 s, wherever the far side begins to count, ever has
  /// more than the limit; less than half a second in all leaves 99.2 % of it, and more of a small limit.
  std::chrono::milliseconds burst{300};
  /// A request may come so much later than others that went with it: over a new connection, or
  /// where a processor is short. Those behind it fall into a window that begins later.
  std::chrono::milliseconds jitter{150};
  /// Calls that wait; above it `overloaded`, with `retry_after`.
  std::uint32_t queue = 1'000;
  /// Waiting this long is worth one step of priority.
  std::chrono::milliseconds ageing{10'000};
  /// How long a key rests after a 429 that does not say; doubled with each further one, up to
  /// `cooling_max`.
  std::chrono::milliseconds cooling{1'000};
  std::chrono::milliseconds cooling_max{60'000};
  /// A key that was refused (401, 402, 403, quota spent) is tried again after this, with one
  /// request: somebody may have paid. Five minutes: soon enough for them, rare enough for the server.
  std::chrono::milliseconds set_aside{300'000};

  option_problems validate() const;
};

} // namespace troupe
