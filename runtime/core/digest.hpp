#pragma once
// Content hashes: the names of blobs, and how inputs are compared.
//
// Two payloads are the same when their SHA-256 is. A blob is stored under its digest, a chat is a
// list of digests, and an idempotency key remembers the digest of the input it came with.

#include "runtime/core/result.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// A SHA-256. Orders by bytes; all zeros where default-made.
struct digest {
  std::array<unsigned char, 32> bytes{};

  auto operator<=>(const digest&) const = default;
};

/// SHA-256 of `text`. Thread-safe: each thread keeps one context, made at its first call.
digest sha256(std::string_view text);

/// 64 lower-case hexadecimal digits.
std::string to_hex(const digest& d);

/// The inverse, upper-case digits allowed too; nothing for any other text.
std::optional<digest> digest_from_hex(std::string_view hex) noexcept;

/// The first 8 bytes of the SHA-256 of `text`, read as a little-endian number on every machine.
std::uint64_t short_hash(std::string_view text);

/// One text for all JSON texts that mean the same: no white space, keys sorted by their bytes (of a
/// repeated key the last counts), each string escaped one way, and of numbers `1`, `1.0` and `1e0`
/// alike. Integers keep all their digits, so two ids past 2^53 never become one.
///
/// @returns `errc::invalid_input` for what is not JSON, `errc::output_too_large` past `json_limits`
result<std::string> canonical(std::string_view json);

} // namespace troupe

/// A digest is random already: its first word will do.
template <>
struct std::hash<troupe::digest> {
  std::size_t operator()(const troupe::digest& d) const noexcept {
    std::size_t word;
    std::memcpy(&word, d.bytes.data(), sizeof word);
    return word;
  }
};
