#pragma once
// Errors of models' servers, in our words. Shared by all wires; private to this folder.

#include "actors/llm/model_types.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/error.hpp"
#include "runtime/core/result.hpp"
#include "runtime/net/http_transport.hpp"

#include <initializer_list>
#include <string>
#include <string_view>

namespace troupe {

/// Bytes of a server's own words in an error.
inline constexpr std::size_t server_words_max = 300;

/// What a server says is wrong. Servers write codes as texts, numbers or null, so only texts are
/// looked at.
struct server_error {
  std::string message;
  std::string type;
  std::string param;
  std::string code;

  bool says(std::string_view word) const { return code == word || type == word; }
  bool mentions(std::initializer_list<std::string_view> words) const;
};

/// From `{"message":..}` or a bare sentence.
server_error read_server_error(std::string_view json);

/// From a body `{"error":..}`; empty where it is none.
server_error server_error_of(std::string_view body);

/// The error that a response of a status other than 2xx stands for.
error failure_of(const net::http_response& response, utc_time now);

/// The error that stands within a stream, or within an answer of status 200.
error failure_inside(const server_error& e);

/// An answer that is not what the API promises.
error unreadable_answer(std::string_view why);

/// Whether a model with a larger context might do.
bool is_context_overflow(const error& e);

/// A stream that ended before its answer did.
error cut_answer(std::string_view missing);

/// The word for what broke a stream, in events: `in_band` (an error that the server sent within it),
/// `malformed`, `cut`, `cancelled`, `refused` (before it began) or, of a whole answer, `answer`.
///
/// @param begun whether a piece had come
std::string_view stream_fault_of(const error& why, bool begun);

/// The answer where it is one that may be passed on: not refused, filtered, cut at its limit of
/// tokens, or empty.
///
/// @param refusal what the model says in place of an answer; empty: it does not refuse
result<model_answer> checked_answer(model_answer answer, std::string_view refusal);

} // namespace troupe
