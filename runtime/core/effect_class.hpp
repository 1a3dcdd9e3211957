#pragma once
// What a repeat of an effect would do to the world. See runtime/journal/README.md.

#include <cstdint>
#include <optional>
#include <string_view>

namespace troupe {

/// How an effect may be repeated. The numbers stand in journals: append, never renumber.
enum class effect_class : std::uint8_t {
  pure = 0,         ///< touches nothing outside: not even gated
  read = 1,         ///< looks, changes nothing: may be repeated at will
  idempotent = 2,   ///< the far side honours the key: may be repeated with the same key
  at_most_once = 3, ///< must not be repeated blindly: reconcile or ask a person
};

/// `at_most_once`, as it stands in TOML, journals and metrics.
std::string_view to_string(effect_class c) noexcept;

/// The inverse; nothing for a word that is none of the four.
std::optional<effect_class> effect_class_from(std::string_view name) noexcept;

/// True where an unknown outcome may simply be tried again (with the same key).
constexpr bool repeatable(effect_class c) noexcept {
  return c != effect_class::at_most_once;
}

/// True where it changes something outside.
constexpr bool has_effect(effect_class c) noexcept {
  return c >= effect_class::idempotent;
}

} // namespace troupe
