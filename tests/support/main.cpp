// Catch2's main, compiled once for all test executables.

#define TROUPE_KIT_MAIN
#include "tests/kit/catch.hpp"
