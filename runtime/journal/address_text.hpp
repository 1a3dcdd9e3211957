#pragma once
// Addresses as people write them.

#include "runtime/journal/entry.hpp"

#include <optional>
#include <string_view>

namespace troupe::journal {

/// The inverse of `to_string`: `-/4`, `3.0/1`; nothing for any other text.
std::optional<address> address_from(std::string_view text);

} // namespace troupe::journal
