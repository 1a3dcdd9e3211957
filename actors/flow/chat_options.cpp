#include "actors/flow/chat_options.hpp"

#include "runtime/core/schema_validator.hpp"

namespace troupe {

option_problems chat_options::validate() const {
  option_problems found;
  if (model.empty())
    found.push_back({"model", "is missing: a chat agent asks a model", "name one of [models.*]"});
  if (turns_max == 0)
    found.push_back({"turns_max", "is 0, so the model could never be asked", "the default is 12"});
  if (parallel == 0)
    found.push_back({"parallel", "is 0, so no tool could ever run", "the default is 4"});
  if (repeats_max < 2)
    found.push_back({"repeats_max", "is below 2, so every call would be a loop",
                     "the default is 3"});
  if (tool_result_max < 256)
    found.push_back({"tool_result_max", "is below 256 bytes: nothing useful would be left",
                     "the default is \"16KiB\""});
  if (window_tokens < 100)
    found.push_back({"window_tokens", "is below 100: not one turn would be kept",
                     "the default is 8000"});
  if (approve_timeout.count() <= 0)
    found.push_back({"approve_timeout", "must be above 0", "the default is \"1d\""});
  if (!output.empty())
    if (auto compiled = schema_validator::compile(output); !compiled)
      found.push_back({"output", compiled.error().message, "write a JSON Schema"});
  return found;
}

} // namespace troupe
