#pragma once
// Fills the templates of tool_options.hpp: `{field}` becomes that field of the arguments.
//
// What comes out of a model must not be able to leave the place that the template gives it. So a
// value is encoded for where it stands: percent-encoded in a URL, JSON in a body, one argument of
// an argv.

#include "runtime/core/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace boost::json {
class value;
} // namespace boost::json

namespace troupe {

/// The arguments of one call.
struct template_values {
  const boost::json::value& arguments;
  std::string_view key; ///< `{idempotency_key}`
};

/// How a value is written.
enum class template_encoding : std::uint8_t {
  percent, ///< all but unreserved characters of RFC 3986
  json,
  plain, ///< strings as they are, all else as JSON; a NUL is refused
};

/// A template, taken apart once.
class text_template {
public:
  text_template() = default;
  explicit text_template(std::string_view text);

  /// @returns `invalid_input`, naming the field that the arguments lack or that cannot stand there
  result<std::string> fill(const template_values& values, template_encoding encoding) const;

private:
  struct piece {
    std::string text;  ///< literal
    std::string field; ///< after it; empty: none
  };
  std::vector<piece> pieces_;
};

/// `text`, percent-encoded.
std::string percent_encoded(std::string_view text);

} // namespace troupe
