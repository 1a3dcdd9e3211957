#include "actors/supervision/supervisor_options.hpp"

#include <set>

namespace troupe {

using namespace std::chrono_literals;

namespace {

void check_backoff(const backoff_options& b, option_problems& found) {
  if (b.min <= 0ms)
    found.push_back({"backoff.min", "must be above 0", "the default is \"100ms\""});
  if (b.max < b.min)
    found.push_back({"backoff.max", "is below backoff.min", "the default is \"10s\""});
  if (!(b.factor >= 1.0))
    found.push_back({"backoff.factor", "is below 1, so delays would shrink", "the default is 2"});
  if (!(b.jitter >= 0.0 && b.jitter <= 1.0))
    found.push_back({"backoff.jitter", "must be between 0 and 1", "the default is 0.2"});
}

} // namespace

option_problems supervisor_options::validate() const {
  option_problems found;
  if (period <= 0ms)
    found.push_back({"period", "must be above 0", "the default is \"10s\""});
  check_backoff(backoff, found);
  std::set<std::string_view> seen;
  for (const auto& c : children)
    if (!seen.insert(c.id).second)
      found.push_back({"children", "names '" + c.id + "' twice", ""});
  return found;
}

} // namespace troupe
