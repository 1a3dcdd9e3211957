#pragma once
// Faults on request, by count: the same run meets the same faults.

#include <atomic>
#include <cstdint>

namespace desk {

/// What goes wrong with one POST.
enum class fault {
  none,
  error_before_effect, ///< 503, and nothing happened: safe to repeat for anybody
  drop_after_effect,   ///< it happened, and the connection is cut before its answer is whole
};

/// Every how many POSTs; 0 is never.
struct fault_options {
  std::uint64_t error_before_effect_every = 0;
  std::uint64_t drop_after_effect_every = 0;
};

/// Counts the POSTs of one service and says which of them fail. Thread-safe.
class fault_plan {
public:
  explicit fault_plan(fault_options options) : options_(options) {}

  /// Where both are due, the error wins: without an effect there is nothing to cut off after.
  fault next() {
    auto number = ++posts_;
    if (due(number, options_.error_before_effect_every))
      return fault::error_before_effect;
    return due(number, options_.drop_after_effect_every) ? fault::drop_after_effect : fault::none;
  }

private:
  static bool due(std::uint64_t number, std::uint64_t every) {
    return every != 0 && number % every == 0;
  }

  fault_options options_;
  std::atomic<std::uint64_t> posts_ = 0;
};

} // namespace desk
