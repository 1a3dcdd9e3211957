// Compiled into every plugin: with what it was built. See runtime/core/plugin.hpp.
#include "runtime/core/plugin.hpp"

TROUPE_PLUGIN_STAMP
