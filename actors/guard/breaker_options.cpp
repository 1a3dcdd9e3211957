#include "actors/guard/breaker_options.hpp"

namespace troupe {

namespace {

constexpr std::uint32_t window_limit = 10'000; // a byte each; past it, a window of time says it better

} // namespace

option_problems breaker_options::validate() const {
  using namespace std::chrono_literals;
  option_problems found;
  auto wrong = [&found](const char* key, const char* what, const char* hint) {
    found.push_back({std::string{"breaker."} + key, what, hint});
  };
  if (window == 0 || window > window_limit)
    wrong("window", "must be between 1 and 10000", "the default is 20");
  if (window_time != 0ms && window_time < 10ms)
    wrong("window_time", "is too short for 10 buckets", "e.g. \"60s\"; \"0\" counts calls instead");
  if (calls_min == 0)
    wrong("calls_min", "is 0: a breaker that has seen nothing would open", "the default is 10");
  if (window_time == 0ms && calls_min > window)
    wrong("calls_min", "is above window, so it would never open", "the default is 10 of 20");
  if (!(failure_rate > 0))
    wrong("failure_rate", "must be above 0: at 0 it would open without a failure",
          "the default is 0.5; above 1 turns it off");
  if (!(slow_rate > 0))
    wrong("slow_rate", "must be above 0: at 0 it would open without a slow call",
          "the default is 1.0; above 1 turns it off");
  if (slow_call < 0ms)
    wrong("slow_call", "must not be below 0", "\"0\" is 0.8 of timeout");
  if (open_for <= 0ms)
    wrong("open_for", "must be above 0", "the default is \"30s\"");
  if (open_for_max < open_for)
    wrong("open_for_max", "is below open_for", "the default is \"5m\"");
  if (half_open_calls == 0)
    wrong("half_open_calls", "is 0, so it would never close again", "the default is 3");
  if (!(jitter >= 0 && jitter <= 1))
    wrong("jitter", "must be between 0 and 1", "the default is 0.2");
  return found;
}

} // namespace troupe
