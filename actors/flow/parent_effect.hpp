#pragma once
// What the store keeps of an invocation's origin, in `record::parent_effect`. Private to this folder.

#include "runtime/journal/entry.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// `path|seq|generation + 1|depth`, as `accept` writes it; generation 0: the parent does not wait.
/// Older stores have no depth: 1. Then, where the parent did not begin it all, `|` and who did; then,
/// where the request named one, `|` and the tenant. One that has no parent but a tenant has zeros.
struct parent_effect {
  journal::address at;
  std::uint32_t generation = 0;
  std::uint32_t depth = 1;
  journal::invocation_no tree = 0;
  std::string tenant;
};

/// Nothing where none was kept.
std::optional<parent_effect> read_parent_effect(std::string_view text);

} // namespace troupe
