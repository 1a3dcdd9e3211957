#include "runtime/core/business_key.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace troupe {

result<void> check_business_key(std::string_view key) {
  if (key.size() <= business_key_max)
    return {};
  return error{errc::invalid_input, fmt::format("the business key has {} bytes, at most {} are kept",
                                                key.size(), business_key_max)};
}

result<std::string> business_key_in(std::string_view pointer, std::string_view arguments) {
  namespace json = boost::json;
  json::error_code failed;
  auto all = json::parse(json::string_view{arguments.data(), arguments.size()}, failed);
  const auto* at
    = failed ? nullptr : all.find_pointer(json::string_view{pointer.data(), pointer.size()}, failed);
  std::string key;
  if (at != nullptr && at->is_string())
    key = std::string{at->get_string()};
  else if (at != nullptr && at->is_number())
    key = json::serialize(*at);
  if (key.empty())
    return error{errc::invalid_input,
                 fmt::format("arguments: {}: the business key must be a text or a number there",
                             pointer)};
  if (auto fits = check_business_key(key); !fits)
    return fits.error();
  return key;
}

std::uint64_t arguments_hash(std::string_view arguments) {
  auto same = canonical(arguments);
  return short_hash(same ? *same : std::string{arguments}) >> 1U;
}

} // namespace troupe
