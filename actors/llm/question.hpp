#pragma once
// The body of a call of a model, read and checked.
//
//     {"messages":[{"role":"user","content":"..."}], "schema":{...}, "temperature":0.2,
//      "max_tokens":500, "tools":[{"name":"..","description":"..","parameters":{..}}],
//      "tool_choice":"auto", "whole":true}
//
// All but `messages` may be missing. Messages are spelled as in Chat Completions, whichever API the
// endpoint speaks: `content` is a text, null, or a list of `text` and `image_url` parts; an assistant
// may have `tool_calls`; a tool's result has a `tool_call_id`. `whole`: the outcome is an object with
// usage also where there is a schema.

#include "actors/llm/llm_options.hpp"
#include "actors/llm/model_backend.hpp"

#include <string_view>

namespace troupe {

/// The request that a call's body asks for, with the endpoint's own settings where it has none.
///
/// @returns `errc::invalid_input` naming the place; the message repeats nothing of the content
result<model_request> read_question(std::string_view body, const endpoint_options& options);

} // namespace troupe
