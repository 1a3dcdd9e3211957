#include "actors/guard/latency_quantile.hpp"

#include <algorithm>

namespace troupe {
namespace {

/// Attempts after which it is worth looking again.
constexpr std::size_t stale_after = 16;

} // namespace

void latency_quantile::add(std::chrono::nanoseconds took) {
  last_[seen_ % size] = took;
  ++seen_;
  ++fresh_;
}

std::optional<std::chrono::milliseconds> latency_quantile::p95() {
  if (seen_ < size_min)
    return std::nullopt;
  if (p95_ && fresh_ < stale_after)
    return p95_;
  fresh_ = 0;
  auto sorted = last_;
  auto n = std::min(seen_, size);
  auto at = sorted.begin() + static_cast<long>(n * 95 / 100);
  std::nth_element(sorted.begin(), at, sorted.begin() + static_cast<long>(n));
  return p95_ = std::chrono::ceil<std::chrono::milliseconds>(*at);
}

} // namespace troupe
