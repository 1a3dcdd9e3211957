#include "actors/guard/retry_options.hpp"

namespace troupe {

namespace {

constexpr std::uint32_t attempts_limit = 100; // past it, a loop around the call says it better

} // namespace

option_problems retry_options::validate() const {
  using namespace std::chrono_literals;
  option_problems found;
  if (attempts_max == 0)
    found.push_back({"attempts_max", "is 0, so it would never be called",
                     "1 calls once and never retries"});
  if (attempts_max > attempts_limit)
    found.push_back({"attempts_max", "is above 100", "the default is 3"});
  if (timeout <= 0ms)
    found.push_back({"timeout", "must be above 0", "no call may wait for ever"});
  if (total_timeout <= 0ms)
    found.push_back({"total_timeout", "must be above 0", "no call may wait for ever"});
  else if (timeout > total_timeout)
    found.push_back({"timeout", "of one attempt is longer than total_timeout, which covers all",
                     "lower timeout or raise total_timeout"});
  if (backoff_base <= 0ms)
    found.push_back({"backoff_base", "must be above 0", "the default is \"200ms\""});
  if (backoff_max < backoff_base)
    found.push_back({"backoff_max", "is below backoff_base", "the default is \"20s\""});
  if (backoff_throttled <= 0ms)
    found.push_back({"backoff_throttled", "must be above 0", "the default is \"1s\""});
  return found;
}

} // namespace troupe
