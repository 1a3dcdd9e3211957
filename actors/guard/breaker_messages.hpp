#pragma once
// Messages of a breaker's actor, `breaker:NAME` in the directory, NAME being the service that it
// guards: `breaker:tool:ticketing`.

#include "actors/guard/breaker.hpp"

#include <caf/allowed_unsafe_message_type.hpp>

namespace troupe {

/// How it stands. Answered with `result<breaker_info>` as `breaker_reply`.
struct breaker_query {};

/// What a person decides. Answered likewise; `conflict` where it takes no orders.
struct breaker_command {
  breaker_order what = breaker_order::self;
};

struct breaker_reply {
  result<breaker_info> info;
};

/// Asks for a permit. It ends with the death of the sender or after `lease`, whatever comes first.
/// Answered with `permit_reply`.
struct permit_request {
  std::chrono::milliseconds lease{30'000};
};

struct permit_reply {
  result<breaker_permit> permit;
};

/// How an attempt went; `why` is absent where it went well.
struct permit_result {
  breaker_permit permit;
  std::optional<error> why;
  std::chrono::nanoseconds took{0};
};

/// From the shared state to the actor: it has changed.
struct breaker_changed {};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::breaker_query)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::breaker_command)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::breaker_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::permit_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::permit_reply)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::permit_result)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::breaker_changed)
