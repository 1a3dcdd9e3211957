#include "runtime/core/error.hpp"

#include <array>

namespace troupe {
namespace {

constexpr std::array<std::string_view, 24> names{
  "none",           "timed_out",     "deadline_exceeded", "cancelled",        "unavailable",
  "overloaded",     "circuit_open",  "rate_limited",      "invalid_input",    "schema_mismatch",
  "not_found",      "conflict",      "key_conflict",      "deadlock",         "failed",
  "outcome_unknown", "nondeterministic", "output_too_large", "fenced",        "store_failed",
  "corrupted",      "budget_exceeded", "shutting_down",   "internal",
};

} // namespace

std::string_view to_string(errc code) noexcept {
  auto i = static_cast<std::size_t>(code);
  return i < names.size() ? names[i] : std::string_view{"internal"};
}

errc errc_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<errc>(i);
  return errc::internal;
}

std::string to_string(const error& e) {
  std::string text{to_string(e.code)};
  if (!e.message.empty()) {
    text += ": ";
    text += e.message;
  }
  return text;
}

} // namespace troupe
