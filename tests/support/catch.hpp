#pragma once
// Catch2, whichever major version is installed, as users of the kit have it.

#include "tests/kit/catch.hpp"
