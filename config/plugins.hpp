#pragma once
// The code behind a topology: plugins loaded, classes and functions found.

#include "config/topology.hpp"

#include <vector>

namespace troupe::config {

/// Loads the plugins in their order, then looks for every agent class and tool function that the
/// topology names.
/// @returns everything that is missing, with its place; empty: the topology can be played
std::vector<diagnostic> load_code(const topology& what);

} // namespace troupe::config
