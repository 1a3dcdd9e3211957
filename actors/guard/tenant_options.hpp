#pragma once
// Whom agents work for: `[tenants.*]` in a topology.
//
// A tenant need not be declared: who is not has a share of 1. Its name stands in logs, accounts and
// URLs, so it is short and plain.

#include "runtime/core/options.hpp"
#include "runtime/core/result.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// Characters of a tenant's name, as of any other name in a topology.
inline constexpr std::size_t tenant_size_max = 64;

struct tenant_options {
  std::string name;
  /// Of what all tenants share that want something now: twice as large, twice as much.
  double share = 1;

  option_problems validate() const;
};

/// @returns `errc::invalid_input` where it is too long, or anything but letters, digits, `_` and `-`
result<void> check_tenant(std::string_view name);

} // namespace troupe
