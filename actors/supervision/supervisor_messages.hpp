#pragma once
// The messages between a supervisor and its children.

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <string>

namespace troupe {

/// To the supervisor: what a restarted child should begin with. The latest five are kept.
struct save_checkpoint {
  std::string id;    ///< of the child, as in its specification
  std::string state; ///< whatever the child understands, usually JSON text
};

/// To a child's stand-in: serve from now on by handing everything to `successor`.
struct relieve_stand_in {
  caf::actor successor;
};

/// To a child's stand-in: keep what comes, the child is down.
struct hold_mail {};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::save_checkpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::relieve_stand_in)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::hold_mail)
