#pragma once
// What a model's server says, beside its answer, of what its limits have left for a key.

#include <chrono>
#include <optional>

namespace troupe {

/// As far as it says anything.
struct server_limits {
  int status = 0; ///< of HTTP; 0: not known
  /// A 403 that refuses what was asked, not the key: a content policy, a model that is not for it.
  bool about_request = false;
  std::optional<double> requests{};
  std::optional<double> input_tokens{};
  std::optional<double> output_tokens{};
  /// Something is used up, and there is nothing of it before this has passed.
  std::optional<std::chrono::milliseconds> rest{};
};

} // namespace troupe
