#include "actors/guard/tenant_options.hpp"

#include <fmt/format.h>

namespace troupe {

option_problems tenant_options::validate() const {
  option_problems out;
  if (!(share > 0))
    out.push_back({"share", "must be above 0: nothing would ever be its turn", "the default is 1"});
  return out;
}

result<void> check_tenant(std::string_view name) {
  constexpr std::string_view plain
    = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  if (!name.empty() && name.size() <= tenant_size_max
      && name.find_first_not_of(plain) == name.npos)
    return {};
  return error{errc::invalid_input,
               fmt::format("the name of a tenant has 1 to {} letters, digits, '_' and '-'",
                           tenant_size_max)};
}

} // namespace troupe
