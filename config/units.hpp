#pragma once
// Durations, sizes and addresses as people write them, for topologies and the command line alike.

#include "runtime/core/result.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::config {

/// `200ms`, `3s`, `5m`, `24h`, `7d`, and sums of them from large to small: `1h30m`; `0` is zero.
/// `invalid_input` with a sentence otherwise. Up to 100 years.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest way to write it: `1500ms`, `3s`, `1h30m`, `7d`, `0`.
std::string to_text(std::chrono::milliseconds d);

/// Bytes: `4096`, `512B`, `16KiB`, `1MiB`, `2GiB`; and `kB`, `MB`, `GB` in powers of 1,000.
result<std::size_t> parse_size(std::string_view text);

/// `1MiB` where it is even, else the bytes: `4100`.
std::string size_to_text(std::size_t bytes);

/// Where to listen.
struct address {
  std::string host;
  std::uint16_t port = 0;
};

/// `127.0.0.1:7070`, `[::1]:7070`, `:7070` (the loopback), `localhost:0` (any free port).
result<address> parse_address(std::string_view text);

/// `[::1]:7070`: IPv6 hosts stand in brackets.
std::string to_text(const address& a);

} // namespace troupe::config
