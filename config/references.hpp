#pragma once
// What only the whole topology can tell: names that must exist, trees that must be trees.

#include "config/context.hpp"

namespace troupe::config {

/// Reports names that nothing has, children of two parents, cycles.
void check_references(context& c, const topology& t);

/// Puts what no supervisor has under `root`, which comes to be when it is not there.
void complete_tree(topology& t);

} // namespace troupe::config
