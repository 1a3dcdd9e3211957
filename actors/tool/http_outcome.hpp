#pragma once
// What an HTTP answer means for the effect behind it.
//
// A status is the far side's word on whether something happened, and that decides whether a call
// may be repeated. Said conservatively: only what the protocol or a clear refusal says did not
// happen is definite. The table stands in actors/tool/README.md.

#include "actors/tool/tool_options.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/net/http_transport.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// @param secrets none empty; must not appear in a message, even where the far side echoes them
error http_failure(const net::http_response& answer, utc_time now,
                   const std::vector<std::string_view>& secrets);

/// Whether an answer of a successful status says what `condition` asks for. Another value there is
/// `failed`, definitely: the far side says that it did not do it. Nothing there is
/// `schema_mismatch`, and may have happened.
result<void> http_accepts(const net::http_response& answer, const answer_condition& condition,
                          const std::vector<std::string_view>& secrets);

/// The JSON text of a successful answer, or of the part of it that `pointer` names. No body is
/// `null`, a body that does not claim to be JSON a string. What cannot be read is `schema_mismatch`
/// and may have happened: the far side said that it did.
result<std::string> http_result(const net::http_response& answer, std::string_view pointer);

/// What an answer to a reconcile request says, as `tool_parts::reconciler` says it. Success is done
/// with what is at `pointer`. not_done, after which the call is sent again, are only 404, and null,
/// an empty list or nothing at `pointer` where the list or object around it is there. All else, an
/// answer that is not JSON too, is an error: unknown.
result<std::string> http_reconciled(const net::http_response& answer, bool success,
                                    std::string_view pointer, utc_time now,
                                    const std::vector<std::string_view>& secrets);

} // namespace troupe
