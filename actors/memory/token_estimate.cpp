#include "actors/memory/token_estimate.hpp"

namespace troupe {

std::int64_t estimate_tokens(std::string_view text) noexcept {
  std::int64_t ascii = 0;
  std::int64_t others = 0;
  for (auto ch : text) {
    auto byte = static_cast<unsigned char>(ch);
    if (byte < 0x80)
      ++ascii;
    else if ((byte & 0xC0U) == 0xC0U) // the first byte of a character
      ++others;
  }
  return (ascii + 3) / 4 + others;
}

} // namespace troupe
