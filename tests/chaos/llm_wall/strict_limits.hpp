#pragma once
// What the strict server allows. One list for it and its test.

#include <chrono>
#include <cstddef>

namespace troupe::test {

constexpr std::size_t strict_per_minute = 500; ///< requests of a key in any 60 s
constexpr std::size_t strict_in_flight = 20;   ///< over all keys
constexpr std::size_t strict_keys = 2;
constexpr std::chrono::seconds strict_window{60};

} // namespace troupe::test
