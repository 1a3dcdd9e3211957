#include "actors/guard/rate_limit_options.hpp"

namespace troupe {

option_problems rate_limit_options::validate() const {
  using namespace std::chrono_literals;
  option_problems out;
  if (queue == 0)
    out.push_back({"queue", "whoever has to wait would be refused", "1 or more"});
  if (burst <= 0ms)
    out.push_back({"burst", "must be above 0", "e.g. \"300ms\""});
  if (jitter < 0ms)
    out.push_back({"jitter", "must not be negative", "\"0s\" for a server next door"});
  if (burst + jitter > 30s)
    out.push_back({"burst", "with `jitter` it is more than half of a minute", "e.g. \"300ms\""});
  if (slow_first_token != 0 && !(slow_first_token > 1))
    out.push_back({"slow_first_token", "must be above 1: what is usual is not slow",
                   "e.g. 2; 0: not looked at"});
  if (ageing < 0ms)
    out.push_back({"ageing", "must not be negative", "\"0s\" for none"});
  if (cooling <= 0ms)
    out.push_back({"cooling", "a key that is told to wait must rest", "e.g. \"1s\""});
  if (set_aside <= 0ms)
    out.push_back({"set_aside", "a key that is refused must rest", "e.g. \"5m\""});
  if (cooling_max < cooling)
    out.push_back({"cooling_max", "must be at least `cooling`", "e.g. \"1m\""});
  return out;
}

} // namespace troupe
