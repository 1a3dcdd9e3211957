#include "config/suggest.hpp"

#include <algorithm>
#include <vector>

namespace troupe::config {

namespace {

constexpr std::size_t listed_max = 12; // more names than this are a reference, not a hint
constexpr std::size_t compared_max = 64; // longer names are not typing errors

} // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> older, old(b.size() + 1), now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j)
    old[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t other = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({old[j] + 1, now[j - 1] + 1, old[j - 1] + other});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], older[j - 2] + 1);
    }
    older = old;
    std::swap(old, now);
  }
  return old[b.size()];
}

std::string nearest(std::string_view name, std::span<const std::string> candidates) {
  if (name.size() > compared_max)
    return {};
  std::string best;
  auto limit = std::max<std::size_t>(1, std::min<std::size_t>(3, name.size() / 3)) + 1;
  for (const auto& candidate : candidates) {
    if (candidate.size() > compared_max)
      continue;
    auto distance = edit_distance(name, candidate);
    // `class_name` for `class`, `max_attempts` for `attempts_max`: near in meaning, far in letters.
    if (name.size() >= 3 && candidate.size() >= 3
        && (name.starts_with(candidate) || candidate.starts_with(name)))
      distance = std::min<std::size_t>(distance, 2);
    if (auto bar = name.find('_'); bar != name.npos) {
      auto turned = std::string{name.substr(bar + 1)} + "_" + std::string{name.substr(0, bar)};
      distance = std::min(distance, edit_distance(turned, candidate));
    }
    if (distance < limit) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> candidates) {
  if (auto best = nearest(name, candidates); !best.empty())
    return "did you mean '" + best + "'?";
  if (candidates.empty() || candidates.size() > listed_max)
    return {};
  std::string text = candidates.size() == 1 ? "there is only '" : "one of '";
  for (std::size_t i = 0; i < candidates.size(); ++i)
    text.append(i == 0 ? "" : "', '").append(candidates[i]);
  return text + "'";
}

} // namespace troupe::config
