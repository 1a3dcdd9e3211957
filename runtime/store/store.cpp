#include "runtime/store/store.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace troupe::store {
namespace {

struct status_name {
  status value;
  std::string_view name;
};

constexpr std::array<status_name, 9> status_names{{
  {status::queued, "queued"},
  {status::running, "running"},
  {status::suspended, "suspended"},
  {status::parked, "parked"},
  {status::paused, "paused"},
  {status::quarantined, "quarantined"},
  {status::completed, "completed"},
  {status::failed, "failed"},
  {status::cancelled, "cancelled"},
}};

} // namespace

std::string_view to_string(status s) noexcept {
  for (const auto& [value, name] : status_names)
    if (value == s)
      return name;
  return "?"; // a number of a newer troupe
}

std::optional<status> status_from(std::string_view name) noexcept {
  for (const auto& entry : status_names)
    if (entry.name == name)
      return entry.value;
  return std::nullopt;
}

std::string invocation_id(std::string_view tag, invocation_no no) {
  return fmt::format("{}-{}", tag, no);
}

std::optional<invocation_no> invocation_number(std::string_view tag, std::string_view id) {
  auto digits = id;
  if (auto dash = id.rfind('-'); dash != std::string_view::npos) {
    if (id.substr(0, dash) != tag)
      return std::nullopt;
    digits = id.substr(dash + 1);
  }
  invocation_no no = 0;
  const auto* end = digits.data() + digits.size();
  auto [stop, failure] = std::from_chars(digits.data(), end, no);
  if (failure != std::errc{} || stop != end || no == 0)
    return std::nullopt;
  return no;
}

} // namespace troupe::store
