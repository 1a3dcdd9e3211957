#include "actors/llm/wire_text.hpp"

#include "actors/llm/wire_error.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"

namespace troupe {

bool wire_dialect::takes(std::string_view schema) const {
  return native_schema && !refused_schemas.contains(short_hash(schema));
}

std::string schema_in_words(std::string_view schema) {
  std::string out = "Answer with one JSON value that fits this JSON Schema, and nothing else, no "
                    "code fence around it: ";
  out += schema;
  return out;
}

bool schema_native(const model_request& request, const wire_dialect& dialect) {
  return !request.schema.empty() && dialect.takes(request.schema);
}

data_url parse_data_url(std::string_view url) {
  constexpr std::string_view scheme = "data:";
  constexpr std::string_view encoding = ";base64,";
  if (!url.starts_with(scheme))
    return {};
  auto comma = url.find(encoding);
  if (comma == std::string_view::npos)
    return {};
  return {url.substr(scheme.size(), comma - scheme.size()), url.substr(comma + encoding.size())};
}

bool is_object(std::string_view json) {
  auto last = json.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos || json[last] != '}')
    return false; // asked of each piece of a long one, so it is not read each time
  json_reader in{json};
  return in.peek() == json_kind::object && in.skip() && in.end();
}

std::string arguments_object(std::string_view arguments) {
  return is_object(arguments) ? std::string{arguments} : "{}";
}

bool adapt_common(wire_dialect& dialect, const wire_dialect& sent,
                  const net::http_response& response, const model_request& request,
                  std::initializer_list<std::string_view> schema_words) {
  if (response.status != 400 && response.status != 422)
    return false;
  auto e = read_server_error(response.body);
  if (schema_native(request, sent) && e.mentions(schema_words)) {
    dialect.refused_schemas.insert(short_hash(request.schema));
    if (dialect.refused_schemas.size() >= wire_dialect::refused_max)
      dialect.native_schema = false;
    return true;
  }
  if (request.temperature && sent.temperature && e.mentions({"temperature"})) {
    dialect.temperature = false;
    return true;
  }
  return false;
}

} // namespace troupe
