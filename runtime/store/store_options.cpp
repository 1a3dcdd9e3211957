#include "runtime/store/store_options.hpp"

namespace troupe {

option_problems store_options::validate() const {
  option_problems found;
  if (kind == store_kind::sqlite && path.empty())
    found.push_back({"path", "is empty", "name the database file, e.g. \"desk.db\""});
  if (retention < std::chrono::minutes{1})
    found.push_back({"retention", "is below one minute",
                     "an answer must outlive its caller's retries; the default is \"7d\""});
  if (generations == 0)
    found.push_back({"generations", "is 0", "at least 1: the generation that runs"});
  if (entries_max == 0)
    found.push_back({"entries_max", "is 0", "the default is 50000"});
  else if (entries_warn > entries_max)
    found.push_back({"entries_warn", "is above entries_max, so it would never warn", ""});
  if (inline_max > (std::size_t{1} << 20))
    found.push_back({"inline_max", "is above 1 MiB", "the default is 4096 bytes"});
  return found;
}

} // namespace troupe
