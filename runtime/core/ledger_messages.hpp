#pragma once
// The messages between an invocation and the ledger of business keys.
//
// Two agents that refund the same order must not refund it twice, and neither knows of the other.
// So a call with a business key is claimed before it is sent: one effect is granted it, the others
// get its answer. How a claim ends is written by its owner, in the row with the completion; the
// ledger is told with the LSN of that row.

#include "runtime/core/messages.hpp"

namespace troupe {

/// An effect wants to do a business action. Answered with `action_claimed`: at once, once the grant
/// is durable, or when whoever has the key is done.
struct claim_action {
  store::claim_key what;
  store::claimant by;
  std::uint64_t arguments = 0; ///< hash of their canonical JSON
  utc_time sent{};             ///< when it is sent, or may have been
  bool renewed = true;         ///< nothing of it is in flight
  std::chrono::milliseconds flight{30'000}; ///< the longest that one sending takes
  std::uint64_t incarnation = 0;
};

struct action_claimed {
  enum class verdict : std::uint8_t {
    granted, ///< do it
    again,   ///< it is yours, but it may have been sent at `sent`
    answered ///< `outcome` is what became of it
  };
  verdict how = verdict::answered;
  result<std::string> outcome;
  utc_time sent{};
  store::claimant from; ///< where answered: whose answer it is
};

/// How a claim ended; the row that says so is appended. `failure` is for those who wait for it.
struct action_settled {
  store::settlement what;
  lsn at = 0;
  std::optional<error> failure;
  std::uint64_t incarnation = 0;
};

/// To the ledger: a commit failed, all that it knows may be wrong.
struct forget_claims {};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::claim_action)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::action_claimed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::action_settled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::forget_claims)
