#pragma once
// Pieces of request bodies that several APIs spell alike. Private to this folder.

#include "actors/llm/model_wire.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// The system message for a server that has no place for a schema.
std::string schema_in_words(std::string_view schema);

/// Whether `dialect` lets the schema of `request` stand in the API's own place.
bool schema_native(const model_request& request, const wire_dialect& dialect);

/// A URL of the form `data:image/png;base64,AAAA`, taken apart; empty parts where it is another.
struct data_url {
  std::string_view media_type;
  std::string_view base64;
};
data_url parse_data_url(std::string_view url);

/// Whether `json` is one JSON object, from its first to its last character.
bool is_object(std::string_view json);

/// The arguments of a tool call where they are a JSON object, else `{}`: what a model spelled
/// wrongly cannot be sent back to an API that wants JSON there.
std::string arguments_object(std::string_view arguments);

/// A 400 or 422 that names the schema, the temperature or a maximum that can be left out or said
/// otherwise: see model_wire::adapt.
bool adapt_common(wire_dialect& dialect, const wire_dialect& sent,
                  const net::http_response& response, const model_request& request,
                  std::initializer_list<std::string_view> schema_words);

} // namespace troupe
