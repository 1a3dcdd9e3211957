#include "actors/tool/text_template.hpp"

#include "actors/tool/tool_options.hpp"
#include "runtime/core/json.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <fmt/format.h>

namespace troupe {
namespace {

bool unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
         || c == '.' || c == '_' || c == '~';
}

/// `a.b` looks into `a`, unless there is a field of just that name. Null where there is nothing.
const boost::json::value* find_field(const boost::json::value& in, std::string_view name) {
  const auto* object = in.if_object();
  if (object == nullptr)
    return nullptr;
  if (const auto* found = object->if_contains({name.data(), name.size()}))
    return found;
  auto dot = name.find('.');
  if (dot == std::string_view::npos)
    return nullptr;
  const auto* outer = object->if_contains({name.data(), dot});
  return outer != nullptr ? find_field(*outer, name.substr(dot + 1)) : nullptr;
}

error lacks(std::string_view field) {
  return error{errc::invalid_input, fmt::format("the arguments lack '{}'", field)};
}

result<std::string> encoded(std::string_view field, const boost::json::value& value,
                            template_encoding encoding) {
  if (encoding == template_encoding::json)
    return boost::json::serialize(value);
  if (value.is_null())
    return lacks(field);
  auto text = value.is_string() ? std::string{value.get_string()} : boost::json::serialize(value);
  if (text.find('\0') != std::string::npos)
    return error{errc::invalid_input, fmt::format("'{}' holds a NUL", field)};
  return encoding == template_encoding::percent ? percent_encoded(text) : text;
}

result<std::string> value_of(std::string_view field, const template_values& values,
                             template_encoding encoding) {
  if (field == "idempotency_key") {
    if (values.key.empty())
      return error{errc::invalid_input, "the call has no idempotency key"};
    return encoded(field, boost::json::string{values.key.data(), values.key.size()}, encoding);
  }
  const auto* found = find_field(values.arguments, field);
  if (found == nullptr)
    return lacks(field);
  return encoded(field, *found, encoding);
}

} // namespace

text_template::text_template(std::string_view text) {
  std::size_t done = 0;
  for (auto& name : placeholders(text)) {
    auto mark = "{" + name + "}";
    auto at = text.find(mark, done);
    pieces_.push_back({std::string{text.substr(done, at - done)}, std::move(name)});
    done = at + mark.size();
  }
  pieces_.push_back({std::string{text.substr(done)}, {}});
}

result<std::string> text_template::fill(const template_values& values,
                                        template_encoding encoding) const {
  std::string out;
  for (const auto& p : pieces_) {
    out += p.text;
    if (p.field.empty())
      continue;
    auto value = value_of(p.field, values, encoding);
    if (!value)
      return value;
    out += *value;
  }
  return out;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (unreserved(c))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

} // namespace troupe
