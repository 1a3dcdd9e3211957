#pragma once
// A supervisor's options, in OTP's words: `[supervisors.*]` in a topology.

#include "runtime/core/options.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// Who is restarted when one child ends.
enum class restart_strategy : std::uint8_t {
  one_for_one,  ///< that one
  one_for_all,  ///< all
  rest_for_one, ///< that one and those started after it
};

/// When a child that ended is restarted.
enum class restart_policy : std::uint8_t {
  permanent, ///< always
  transient, ///< only after an abnormal exit
  temporary, ///< never
};

/// Delay before restart i of one child: min(max, min * factor^i), give or take `jitter`.
struct backoff_options {
  std::chrono::milliseconds min{100};
  std::chrono::milliseconds max{10'000};
  double factor = 2.0;
  double jitter = 0.2; ///< fraction of the delay, 0 to 1
  /// A child that lived this long starts again at `min`.
  std::chrono::milliseconds reset_after{60'000};
};

/// One child, in start order.
struct child_options {
  std::string id; ///< `tools.ticketing`, `models.fast`, `supervisors.inner`
  restart_policy restart = restart_policy::permanent;
  /// How long it may take to stop before it is killed; 0: brutal.
  std::chrono::milliseconds shutdown{5'000};
  bool operator==(const child_options&) const = default;
};

struct supervisor_options {
  // Behaviour
  std::string name;
  restart_strategy strategy = restart_strategy::one_for_one;
  /// More restarts than this within `period`: stop all children and escalate to the parent; at the
  /// root the process ends.
  std::uint32_t intensity = 5;
  std::chrono::milliseconds period{10'000};
  backoff_options backoff;
  std::vector<child_options> children;

  // Performance
  /// Messages kept for a child while it is down; above it senders get `overloaded`.
  std::uint32_t mail_max = 10'000;

  option_problems validate() const;
};

} // namespace troupe
