#pragma once
// From what a validator reports to one sentence. Internal to schema_validator.

#include <boost/json/value.hpp>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::detail {

/// One complaint of the validator.
struct complaint {
  std::vector<std::string> context; ///< `<root>`, `[items]`, `[0]`
  std::string description;
};

/// The schema object that `reference` (`#/..`) names in `root`; null where there is none.
const boost::json::object* referenced(const boost::json::value& root, std::string_view reference);

/// Whether a `pattern` may look at what stands at `steps` of an instance.
bool may_match_pattern(const boost::json::value& schema, std::span<const std::string> steps);

/// The deepest complaint, which is the cause of the others, as a sentence with its path.
std::string explain(const std::vector<complaint>& complaints, const boost::json::value& schema,
                    const boost::json::value& instance);

} // namespace troupe::detail
