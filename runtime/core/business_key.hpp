#pragma once
// The business key of a call: given by the agent, or found in the arguments by the topology.

#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

/// The longest business key, in bytes: as for `Idempotency-Key`, which it is sent as.
inline constexpr std::size_t business_key_max = 255;

/// The text or number at `pointer` (JSON pointer) in `arguments`. `invalid_input`: nothing there, or
/// something else, or too long.
result<std::string> business_key_in(std::string_view pointer, std::string_view arguments);

/// Whether a key can be one.
result<void> check_business_key(std::string_view key);

/// What tells two calls under one key apart: a hash of their arguments that does not depend on how
/// they are written. 63 bits.
std::uint64_t arguments_hash(std::string_view arguments);

} // namespace troupe
