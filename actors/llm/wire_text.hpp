#pragma once
// Pieces of request bodies that several APIs spell alike. Private to this folder.

#include "actors/llm/model_wire.hpp"
#include "actors/llm/server_error.hpp"

#include <optional>
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

/// The temperature to be sent, where one is.
std::optional<double> temperature_of(const model_request& request, const wire_dialect& dialect);

/// Whether the server says that it does not know or take a parameter at all, rather than this value.
bool says_unsupported(const server_error& e);

/// What a 400 or 422 says; nothing of another response, or where the messages are too long, which
/// names parameters but is not about them.
std::optional<server_error> refusal_of(const net::http_response& response);

/// What `after` lacks of `before`, in a few words for an event; empty: nothing.
std::string taken_away(const wire_dialect& before, const wire_dialect& after);

/// A refusal that names the schema or the temperature, which can be left out or said otherwise: see
/// model_wire::adapt.
bool adapt_common(wire_dialect& dialect, const wire_dialect& sent,
                  const server_error& refusal, const model_request& request,
                  std::initializer_list<std::string_view> schema_words);

} // namespace troupe
