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

std::optional<double> temperature_of(const model_request& request, const wire_dialect& dialect) {
  if (!request.temperature || !dialect.temperature
      || dialect.refused_temperatures.contains(*request.temperature))
    return std::nullopt;
  return request.temperature;
}

bool says_unsupported(const server_error& e) {
  return e.says("unsupported_parameter") || e.says("unsupported_value") || e.says("extra_forbidden")
         || e.mentions({
           "unsupported",      // OpenAI
           "not support",      // it does not, is not supported
           "only the default", // OpenAI
           "only 1 is",        // Kimi
           "only be set to",   // Anthropic, while it thinks
           "deprecated",       // Anthropic
           "not permitted",    // Mistral, vLLM: extra inputs
           "not allowed",
           "unrecognized",
           "unknown", // Gemini: a name
         });
}

std::optional<server_error> refusal_of(const net::http_response& response) {
  if (response.status != 400 && response.status != 422)
    return std::nullopt;
  if (is_context_overflow(failure_of(response, utc_time{})))
    return std::nullopt;
  return read_server_error(response.body);
}

std::string taken_away(const wire_dialect& before, const wire_dialect& after) {
  if (before.native_schema != after.native_schema)
    return "all schemas";
  if (before.refused_schemas != after.refused_schemas)
    return "a schema";
  if (before.temperature != after.temperature)
    return "temperature";
  for (auto t : after.refused_temperatures)
    if (!before.refused_temperatures.contains(t))
      return "temperature " + to_json(t);
  if (before.old_max_tokens != after.old_max_tokens)
    return "max_tokens";
  return before.stream_usage != after.stream_usage ? "stream_options" : "";
}

bool adapt_common(wire_dialect& dialect, const wire_dialect& sent, const server_error& refusal,
                  const model_request& request,
                  std::initializer_list<std::string_view> schema_words) {
  if (schema_native(request, sent) && refusal.mentions(schema_words)) {
    dialect.refused_schemas.insert(short_hash(request.schema));
    if (dialect.refused_schemas.size() >= wire_dialect::refused_max)
      dialect.native_schema = false;
    return true;
  }
  if (!temperature_of(request, sent) || !refusal.mentions({"temperature"}))
    return false;
  auto& refused = dialect.refused_temperatures;
  refused.insert(*request.temperature);
  if (says_unsupported(refusal) || refused.size() >= wire_dialect::refused_temperatures_max)
    dialect.temperature = false;
  return true;
}

} // namespace troupe
