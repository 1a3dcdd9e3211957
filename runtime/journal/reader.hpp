#pragma once
// The actor that reads the store.
//
// Reading may block on a disk or a server, so nobody else does it: whoever needs stored data asks
// here. One reader per store; its questions are answered in order.

#include "runtime/core/messages.hpp"
#include "runtime/journal/log.hpp"
#include "runtime/store/store.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// The record of one invocation, by number or by agent and idempotency key. Answered with a
/// `found_record`.
struct find_record {
  invocation_no no = 0;        ///< 0: by the two below
  std::string agent;
  std::string idempotency_key;
};
struct found_record {
  result<std::optional<store::record>> what;
};

/// Answered with `listed_records`.
struct list_records {
  store::filter which;
};
struct listed_records {
  result<std::vector<store::record>> what;
};

/// A page of what was open when the process started. Answered with an `open_page`.
struct load_open {
  invocation_no after = 0;
  std::uint32_t limit = 1000;
};
struct open_page {
  result<std::vector<store::open_entry>> what;
  std::vector<std::string> unsettled{}; ///< the first page's: questions, by their places
};

/// Most questions about abandoned calls that outlive the process; each place is looked at once at
/// start, which takes some milliseconds when all have been in use.
inline constexpr std::size_t unsettled_kept_max = 1'000;

/// Under which key a question is kept: as a saved state of an agent without a name. An empty body
/// is a free place; the first one that is not there is the end.
std::string unsettled_key(std::size_t place);

/// Finished invocations that were last touched before `before`; those with an idempotency key
/// before `keyed`. Answered with a `finished_page`.
struct load_finished {
  utc_time before{};
  utc_time keyed{};
  std::uint32_t limit = 500;
};
struct finished_page {
  result<std::vector<invocation_no>> what;
};

/// Saved states that are older than `before`. Answered with an `old_states_page`.
struct load_old_states {
  std::string agent;
  utc_time before{};
  store::old_state last{}; ///< of the page before
  std::uint32_t limit = 500;
};
struct old_states_page {
  result<std::vector<store::old_state>> what;
};

/// The whole journal of an invocation as a file: see exported.hpp. Answered with an `exported_text`.
struct load_export {
  invocation_no no = 0;
  std::string agent_class; ///< of its agent, which the store does not know
};
struct exported_text {
  result<std::string> what;
};

/// What is known of a business action, its answer fetched. Answered with a `found_claim`.
struct find_claim {
  store::claim_key what;
};
struct found_claim {
  result<std::optional<store::claim>> what;
};

/// Answered with `counted_claims`.
struct count_claims {
  utc_time now{};
};
struct counted_claims {
  result<store::claim_count> what;
};

/// Newest first. Answered with `listed_letters`.
struct list_letters {
  lsn before = 0;
  std::uint32_t limit = 100;
};
struct listed_letters {
  result<std::vector<store::letter>> what;
};

/// Spawns the reader of `log`'s store.
caf::actor spawn_reader(caf::actor_system& system, journal::commit_log& log);

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::find_record)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::found_record)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::list_records)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::listed_records)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::load_open)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::open_page)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::load_finished)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::finished_page)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::load_old_states)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::old_states_page)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::load_export)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::exported_text)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::find_claim)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::found_claim)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::count_claims)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::counted_claims)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::list_letters)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::listed_letters)
