#include "runtime/core/checksum.hpp"

#include <array>
#include <cstddef>
#include <cstring>

namespace troupe {

namespace {

constexpr std::uint32_t polynomial = 0x82F63B78; // Castagnoli, bits reversed

using tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b]: what byte b does to the checksum when k more bytes follow it ("slicing by 8").
constexpr tables make_tables() {
  tables t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    auto crc = b;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? polynomial : 0);
    t[0][b] = crc;
  }
  for (std::size_t k = 1; k < t.size(); ++k)
    for (std::size_t b = 0; b < 256; ++b)
      t[k][b] = (t[k - 1][b] >> 8U) ^ t[0][t[k - 1][b] & 0xFFU];
  return t;
}

constexpr tables table = make_tables();

std::uint32_t by_table(const char* at, std::size_t size, std::uint32_t crc) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(at[i]); };
  for (; size >= 8; at += 8, size -= 8)
    crc = table[7][(crc ^ byte(0)) & 0xFFU] ^ table[6][((crc >> 8U) ^ byte(1)) & 0xFFU]
          ^ table[5][((crc >> 16U) ^ byte(2)) & 0xFFU] ^ table[4][(crc >> 24U) ^ byte(3)]
          ^ table[3][byte(4)] ^ table[2][byte(5)] ^ table[1][byte(6)] ^ table[0][byte(7)];
  for (; size > 0; ++at, --size)
    crc = (crc >> 8U) ^ table[0][(crc ^ byte(0)) & 0xFFU];
  return crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t
by_instruction(const char* at, std::size_t size, std::uint32_t crc) noexcept {
  std::uint64_t wide = crc;
  for (; size >= 8; at += 8, size -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++at, --size)
    crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(*at));
  return crc;
}

bool has_instruction() noexcept {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}

#endif

} // namespace

std::uint32_t checksum(std::string_view bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  if (has_instruction())
    return ~by_instruction(bytes.data(), bytes.size(), ~before);
#endif
  return ~by_table(bytes.data(), bytes.size(), ~before);
}

namespace detail {

std::uint32_t checksum_by_table(std::string_view bytes, std::uint32_t before) noexcept {
  return ~by_table(bytes.data(), bytes.size(), ~before);
}

} // namespace detail

} // namespace troupe
