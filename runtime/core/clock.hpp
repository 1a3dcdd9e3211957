#pragma once
// Time and chance, injected.
//
// Nothing in troupe asks the operating system what time it is or for a random number; it asks
// these two. On a stage both follow the seed and virtual time.

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe {

/// UTC, for what must outlive the process: durable timers, deadlines, TTLs.
using utc_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// For intervals within the process.
using steady_time = std::chrono::steady_clock::time_point;

/// The latest `utc_time`: "no deadline".
inline constexpr utc_time never = utc_time::max();

/// Where time comes from. Implementations are thread-safe.
class time_source {
public:
  virtual ~time_source() = default;
  virtual utc_time now() const = 0;
  virtual steady_time steady() const = 0;
};

/// Where chance comes from. Implementations are thread-safe.
class random_source {
public:
  virtual ~random_source() = default;
  /// 64 uniformly distributed bits.
  virtual std::uint64_t next() = 0;
};

/// The operating system's clocks.
class system_time final : public time_source {
public:
  utc_time now() const override;
  steady_time steady() const override;
};

/// Seeded from the operating system once, then a generator per thread.
class system_random final : public random_source {
public:
  std::uint64_t next() override;
};

/// RFC 3339 with microseconds, e.g. `2026-11-20T22:34:24.000000Z`; `never` is an empty string.
std::string to_string(utc_time t);

} // namespace troupe
