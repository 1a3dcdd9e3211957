#include "actors/flow/dispatcher_options.hpp"

namespace troupe {

using namespace std::chrono_literals;

option_problems agent_options::validate() const {
  option_problems found;
  if (yields && key.empty())
    found.push_back({"yields", "has no meaning without key: only a keyed agent makes others wait",
                     "set key = \"<field of the input>\", or drop yields"});
  if (concurrency > concurrency_limit)
    found.push_back({"concurrency", "is above 100000", "0 means as many as come, up to 100000"});
  if (depth_max == 0)
    found.push_back({"depth_max", "is 0, so every call would be refused", "the default is 10000"});
  if (priority > 1'000)
    found.push_back({"priority", "is above 1000", "the default is 0"});
  if (!(share > 0 && share <= 1'000))
    found.push_back({"share", "must be above 0 and at most 1000", "the default is 1"});
  if (passivate_after <= 0ms)
    found.push_back({"passivate_after", "must be above 0", "the default is \"2s\""});
  return found;
}

option_problems dispatcher_options::validate() const {
  option_problems found;
  if (deaths_max == 0)
    found.push_back({"deaths_max", "is 0, so nothing could ever run", "the default is 3"});
  if (key_ttl <= 0ms)
    found.push_back({"key_ttl", "must be above 0, or no repeat would find its invocation",
                     "the default is \"24h\""});
  if (children_depth_max == 0)
    found.push_back({"children_depth_max", "is 0, so no agent could invoke another one",
                     "the default is 32"});
  if (recovery_rate == 0)
    found.push_back({"recovery_rate", "is 0, so nothing would be taken up again after a restart",
                     "the default is 20000 a second"});
  if (depth_max == 0)
    found.push_back({"depth_max", "is 0, so every call would be refused",
                     "the default is 1000000"});
  return found;
}

} // namespace troupe
