#include "actors/flow/parent_effect.hpp"

#include <charconv>

namespace troupe {

std::optional<parent_effect> read_parent_effect(std::string_view text) {
  auto path = text.find('|');
  if (path == std::string_view::npos)
    return {};
  parent_effect out;
  out.at.path = text.substr(0, path);
  for (auto* into : {&out.at.seq, &out.generation, &out.depth}) {
    if (path == std::string_view::npos)
      break;
    text.remove_prefix(path + 1);
    std::from_chars(text.data(), text.data() + text.size(), *into);
    path = text.find('|');
  }
  if (path == std::string_view::npos)
    return out;
  text.remove_prefix(path + 1);
  std::from_chars(text.data(), text.data() + text.size(), out.tree);
  if (auto tenant = text.find('|'); tenant != std::string_view::npos)
    out.tenant = text.substr(tenant + 1);
  return out;
}

} // namespace troupe
