#define TROUPE_KIT_MAIN // Catch2's main, with --seed
#include "tests/kit/catch.hpp"
