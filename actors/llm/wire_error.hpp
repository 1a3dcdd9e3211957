#pragma once
// Errors of models' servers, in our words. Shared by all wires; private to this folder.

#include "actors/llm/model_types.hpp"
#include "actors/llm/server_error.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/result.hpp"
#include "runtime/net/http_transport.hpp"

#include <string>
#include <string_view>

namespace troupe {

/// Bytes of a server's own words in an error.
inline constexpr std::size_t server_words_max = 300;

/// The error that a response of a status other than 2xx stands for.
error failure_of(const net::http_response& response, utc_time now);

/// Whether a 403 refuses what was asked and not the key: one user's text must not set the key of all
/// aside. OpenRouter says 403 for what its moderation flags, Anthropic for a model that is not for it.
bool refuses_request(const server_error& e);

/// The error that stands within a stream, or within an answer of status 200.
error failure_inside(const server_error& e);

/// An answer that is not what the API promises.
error unreadable_answer(std::string_view why);

/// One of more than `tool_calls_max` tool calls.
error too_many_calls();

/// The messages are longer than the model's context: `invalid_input`, and `is_context_overflow` knows
/// it again. All errors of this kind come from here.
error context_overflow(std::string_view words);

/// Whether less would do, or a model with a larger context.
bool is_context_overflow(const error& e);

/// A stream that ended before its answer did.
error cut_answer(std::string_view missing);

/// The word for what broke a stream, in events: `in_band` (an error that the server sent within it),
/// `malformed`, `cut`, `cancelled`, `refused` (before it began) or, of a whole answer, `answer`.
///
/// @param begun whether a piece had come
std::string_view stream_fault_of(const error& why, bool begun);

/// The answer where it is one that may be passed on: it ended by itself (an ending that is not
/// known is none), is not refused or filtered, and each of its tool calls has a name. Its
/// `finish_reason` is the server's word when it comes in (empty: it says none), and `stop` or
/// `tool_calls`, by what it holds, when it comes out. In checked_answer.cpp.
///
/// @param refusal what the model says in place of an answer; empty: it does not refuse
result<model_answer> checked_answer(model_answer answer, std::string_view refusal);

} // namespace troupe
