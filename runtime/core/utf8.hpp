#pragma once
// UTF-8, as far as JSON needs it.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace troupe::utf8 {

/// The end of the run of characters from `at` that stand for themselves in a JSON string: printable
/// ASCII but quote and backslash.
inline const char* plain_end(const char* at, const char* end) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = 0x8080808080808080;
  // Eight at a time: a high bit is set where a byte is special. Borrows can flag a byte above a
  // special one wrongly, never one below, so the lowest flag is right.
  for (; end - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    auto quote = word ^ (ones * '"');
    auto slash = word ^ (ones * '\\');
    auto special = (((word - ones * 0x20) | (quote - ones) | (slash - ones)) | word) & highs;
    if (special == 0)
      continue;
    if constexpr (std::endian::native == std::endian::little)
      return at + (std::countr_zero(special) >> 3);
    break;
  }
  for (; at != end; ++at) {
    auto c = static_cast<unsigned char>(*at);
    if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80)
      break;
  }
  return at;
}

/// Bytes of the sequence that begins at `at` with a byte of 0x80 or more; 0 where it is not UTF-8
/// (overlong, a surrogate, past U+10FFFF, cut off).
inline std::size_t sequence_size(const char* at, const char* end) noexcept {
  auto left = static_cast<std::size_t>(end - at);
  auto byte = [at](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  auto first = byte(0);
  if (first >= 0xC2 && first <= 0xDF)
    return left >= 2 && follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (left < 3 || !follows(1) || !follows(2))
      return 0;
    return (first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (left < 4 || !follows(1) || !follows(2) || !follows(3))
      return 0;
    return (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F) ? 0 : 4;
  }
  return 0;
}

/// Appends one code point that is neither a surrogate nor past U+10FFFF.
inline void append(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  auto tail = [&](unsigned shift) {
    out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
  };
  if (point < 0x800) {
    out += static_cast<char>(0xC0U | point >> 6U);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | point >> 12U);
    tail(6);
  } else {
    out += static_cast<char>(0xF0U | point >> 18U);
    tail(12);
    tail(6);
  }
  tail(0);
}

} // namespace troupe::utf8
