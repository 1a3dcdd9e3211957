#pragma once
// A checksum that finds damaged rows.
//
// CRC-32C (Castagnoli, as in iSCSI, ext4 and SCTP): it finds every burst of up to 32 bits, and
// processors since 2008 compute it in an instruction. It guards against accidents, not against
// people: see digest.hpp for those.

#include <cstdint>
#include <string_view>

namespace troupe {

/// CRC-32C of `bytes`. The same number on every machine: it stands in journals. Uses SSE4.2 where
/// the processor has it (asked once, at run time), else tables of 8 KiB. Thread-safe, allocates
/// nothing.
///
/// @param before checksum of what precedes `bytes`: `checksum(b, checksum(a)) == checksum(a + b)`
std::uint32_t checksum(std::string_view bytes, std::uint32_t before = 0) noexcept;

namespace detail {

/// The same function by tables alone, so that a test can hold the two against each other.
std::uint32_t checksum_by_table(std::string_view bytes, std::uint32_t before = 0) noexcept;

} // namespace detail

} // namespace troupe
