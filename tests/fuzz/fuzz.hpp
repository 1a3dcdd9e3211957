#pragma once
// What the fuzz targets share. Each is a function `LLVMFuzzerTestOneInput`, run by libFuzzer in the
// `fuzz` preset, and over its corpus by driver.cpp in all others.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace troupe::fuzz {

/// Ends the process where `holds` is false: the fuzzer then keeps the input.
inline void demand(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
  std::abort();
}

} // namespace troupe::fuzz
