#pragma once
// A scenario, and crashes at every durable boundary of it.

#include "tests/kit/world.hpp"

#include <cstdint>
#include <functional>

namespace troupe::kit {

/// What a sweep did.
struct sweep_report {
  std::uint64_t crash_points = 0;
  std::uint64_t runs = 0;
};

/// A scenario is run on a fresh world; it must drive stages until its work is done, however often
/// the world crashes, and check the results.
using scenario = std::function<void(world&)>;

/// Runs `s` once without a crash, then once for every durable boundary with a crash there; with
/// `twice`, also with a second crash at each of the next `window` boundaries.
sweep_report for_each_crash_point(const scenario& s, bool twice = false,
                                  std::uint64_t window = 4);

} // namespace troupe::kit
