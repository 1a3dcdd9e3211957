#pragma once
// What an agent says for one call, beside its arguments: `call_request::options`, JSON text.

#include "actors/guard/fallback.hpp"
#include "runtime/core/result.hpp"

#include <string>
#include <string_view>

namespace troupe {

struct call_options {
  fallback_options fallback; ///< in place of the topology's, where given
  /// Answers `{"value": .., "from": .., "age_ms": ..}`, so that the agent sees what it got.
  bool told = false;
};

/// `invalid_input` where `text` is not what runtime/core/effects.hpp writes.
result<call_options> read_call_options(std::string_view text);

/// An answer as `told` has it.
std::string told_answer(std::string_view value, std::string_view from,
                        std::chrono::milliseconds age);

} // namespace troupe
