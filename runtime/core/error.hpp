#pragma once
// What can go wrong, as a value.
//
// An agent, a tool and a store fail for a few reasons that callers tell apart. They are listed
// once here, in the field's words, so that a retry rule, an HTTP status and a line in the journal
// speak of the same thing. An expected failure travels as an `error` inside a `result<T>`; an
// exception means a bug.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

/// The reasons a caller can tell apart. The numbers stand in journals: append, never renumber.
enum class errc : std::uint8_t {
  none = 0,
  timed_out = 1,         ///< one attempt or a wait took longer than it may
  deadline_exceeded = 2, ///< the deadline that covers all attempts has passed
  cancelled = 3,         ///< somebody asked for it to stop, or it lost a race
  unavailable = 4,       ///< connection refused, 5xx, actor down: may work later
  overloaded = 5,        ///< a bounded queue is full: try again after `retry_after`
  circuit_open = 6,      ///< a breaker refuses calls for now
  rate_limited = 7,      ///< the far side asked us to slow down
  invalid_input = 8,     ///< what the caller sent cannot be right; a repeat changes nothing
  schema_mismatch = 9,   ///< an answer does not have the shape that was promised
  not_found = 10,        ///< no such agent, tool, invocation, key
  conflict = 11,         ///< same idempotency key with other input; or a state that forbids it
  key_conflict = 12,     ///< same business key with other arguments
  deadlock = 13,         ///< an agent waits for its own key
  failed = 14,           ///< the far side did it and says: failed (definite)
  outcome_unknown = 15,  ///< nobody can say whether the effect happened
  nondeterministic = 16, ///< replay asked for something else than the journal holds
  output_too_large = 17, ///< a named bound on sizes was exceeded
  fenced = 18,           ///< another owner with a newer epoch has taken over
  store_failed = 19,     ///< the durable store refuses writes (disk full, I/O error)
  corrupted = 20,        ///< a checksum does not match
  budget_exceeded = 21,  ///< tokens or money would be overspent
  shutting_down = 22,    ///< the process drains
  internal = 23,         ///< a bug: an exception escaped
};

/// `timed_out`, as it stands in JSON, logs and problem documents. Never empty.
std::string_view to_string(errc code) noexcept;

/// The inverse of `to_string`; `errc::internal` for a word that is none of them.
errc errc_from(std::string_view name) noexcept;

/// Whether an effect whose call ended in this error may nevertheless have happened.
enum class certainty : std::uint8_t {
  definite, ///< it did not happen (refused, 4xx, never sent)
  unknown,  ///< it may have (timed out after sending, connection cut, crash)
};

/// One failure: a code to branch on, a sentence for a person, and what a caller may do next.
struct error {
  errc code = errc::internal;
  std::string message;
  certainty outcome = certainty::definite;
  std::optional<std::chrono::milliseconds> retry_after{};

  error() = default;
  error(errc c, std::string text = {}) : code(c), message(std::move(text)) {}
  error(errc c, std::string text, certainty known)
    : code(c), message(std::move(text)), outcome(known) {}

  /// The same failure, marked as possibly having happened.
  error may_have_happened() && {
    outcome = certainty::unknown;
    return std::move(*this);
  }

  bool operator==(const error&) const = default;
};

/// `timed_out: no answer within 3 s`
std::string to_string(const error& e);

} // namespace troupe
