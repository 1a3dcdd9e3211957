#include "runtime/journal/address_text.hpp"

#include <charconv>

namespace troupe::journal {

std::optional<address> address_from(std::string_view text) {
  auto slash = text.rfind('/');
  if (slash == std::string_view::npos || slash == 0)
    return std::nullopt;
  address at;
  if (auto path = text.substr(0, slash); path != "-")
    at.path = path;
  const auto* last = text.data() + text.size();
  auto [end, failed] = std::from_chars(text.data() + slash + 1, last, at.seq);
  if (failed != std::errc{} || end != last)
    return std::nullopt;
  return at;
}

} // namespace troupe::journal
