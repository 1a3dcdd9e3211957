#pragma once
// The messages about messages that were set aside.
//
// The dispatcher keeps the letters (in the store, beside the journals), since it knows the
// invocations that they belong to. Services find it in the directory.

#include "runtime/core/messages.hpp"

#include <string_view>

namespace troupe {

/// Who takes letters, in the directory of services.
inline constexpr std::string_view dead_letter_office = "troupe:dead_letters";

/// From a service: it has set a call aside, or dropped one that came too late.
struct file_letter {
  store::letter what;
  std::string invocation; ///< its id
};

/// Answered with a `command_reply`, once it is durable. `retry`: the call may be made again, its
/// invocation begins its next run; else the letter goes, and a quarantined invocation with it.
struct letter_request {
  lsn id = 0;
  bool retry = false;
};

/// To a service: refuse calls with this key, as it did before the process ended; or take them again.
struct set_aside {
  std::string key;
};
struct forgive_call {
  std::string key;
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::file_letter)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::letter_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::set_aside)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::forgive_call)
