#pragma once
// `${NAME}` in texts: how keys and addresses get into a topology without standing in it.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

/// The value of an environment variable; nothing where it is not set.
using env_lookup = std::function<std::optional<std::string>(const std::string& name)>;

/// Looks into the environment of this process.
env_lookup process_environment();

/// A text after its variables have been filled in.
struct expansion {
  std::string text;
  std::vector<std::string> missing; ///< variables without value and default
  std::string malformed;            ///< what is wrong with a `${`; empty: nothing
};

/// Fills in `${NAME}` and `${NAME:-default}` (which also stands in for an empty value). `$${` is a
/// literal `${`. What comes out is not looked at again.
expansion expand(std::string_view text, const env_lookup& env);

} // namespace troupe::config
