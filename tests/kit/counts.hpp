#pragma once
// Numbers that a green run should show too.

#include <cstdint>
#include <string_view>

namespace troupe::kit {

/// Adds a line `what: n` to the file that the environment's TROUPE_COUNTS names; nothing without
/// it. ctest sums them up at its end: crash points, seeds, planted bugs. Whole lines, so that tests
/// may run at once.
///
/// @param of 0, or what `n` is out of: `planted bugs: 20 of 20`
void count(std::string_view what, std::uint64_t n, std::uint64_t of = 0);

} // namespace troupe::kit
