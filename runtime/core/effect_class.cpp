#include "runtime/core/effect_class.hpp"

#include <array>

namespace troupe {
namespace {

constexpr std::array<std::string_view, 4> names{"pure", "read", "idempotent", "at_most_once"};

} // namespace

std::string_view to_string(effect_class c) noexcept {
  return names[static_cast<std::size_t>(c) & 3U];
}

std::optional<effect_class> effect_class_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<effect_class>(i);
  return std::nullopt;
}

} // namespace troupe
