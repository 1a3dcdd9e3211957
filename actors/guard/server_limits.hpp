#pragma once
// What a model's server says, beside its answer, of what its limits have left for a key.

#include <chrono>
#include <optional>

namespace troupe {

/// As far as it says anything.
struct server_limits {
  int status = 0; ///< of HTTP; 0: not known
  std::optional<double> requests{};
  std::optional<double> input_tokens{};
  std::optional<double> output_tokens{};
  /// Something is used up, and there is nothing of it before this has passed.
  std::optional<std::chrono::milliseconds> rest{};
};

} // namespace troupe
