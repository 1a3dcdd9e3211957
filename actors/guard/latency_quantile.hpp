#pragma once
// How long the slowest 5 % of the last attempts took: when a second one is worth its while.

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

namespace troupe {

/// Pure logic; not thread-safe.
class latency_quantile {
public:
  /// Attempts that are looked at.
  static constexpr std::size_t size = 128;
  /// Fewer than this say nothing about 5 %.
  static constexpr std::size_t size_min = 20;

  void add(std::chrono::nanoseconds took);
  /// Nothing where too few attempts were seen.
  std::optional<std::chrono::milliseconds> p95();

private:
  std::array<std::chrono::nanoseconds, size> last_{};
  std::size_t seen_ = 0;
  std::size_t fresh_ = 0; ///< since `p95_` was found
  std::optional<std::chrono::milliseconds> p95_;
};

} // namespace troupe
