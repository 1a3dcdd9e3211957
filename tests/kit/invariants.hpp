#pragma once
// What must hold of every troupe, whatever its agents do and whatever fails.
//
// A test that compares one result finds the bug that its author had in mind. These look at what a
// store holds and at what was done outside, and need to know nothing about the agents:
//
//   nothing acknowledged is lost     what a client was told is in the store when it is told
//   the gate                         a call leaves only when its command is durable
//   effects                          none happens twice, and one key stands for one request
//   journals                         make sense entry by entry, so they can be replayed
//   one writer a key                 invocations of one key do not overlap
//   timers                           ring when they are due, not before and not much later
//   breakers                         judge a service by what came after they tripped
//   an end                           everything that was accepted ends once the faults are over
//
// tests/kit/rehearsal.hpp checks all of them while it plays a production under faults.

#include "runtime/store/store.hpp"
#include "tests/kit/failure.hpp"
#include "tests/kit/far_side.hpp"

#include <string>
#include <vector>

namespace troupe::kit {

/// An invariant does not hold: its name, and what was seen.
class violation : public failure {
public:
  violation(std::string invariant, const std::string& seen)
    : failure(invariant + ": " + seen), invariant_(std::move(invariant)) {}
  const std::string& invariant() const noexcept { return invariant_; }

private:
  std::string invariant_;
};

/// What the store lists. Throws where it cannot.
std::vector<store::record> records_of(store::durable_store& store, const store::filter& which);

/// The rows of one invocation, decoded. Throws where one cannot be.
std::vector<journal::row> rows_of(store::durable_store& store, journal::invocation_no no);

/// What does not make sense in a journal; empty: nothing. A trimmed one may begin anywhere.
std::string flaw_of(const std::vector<journal::row>& rows);

/// Whether the store holds the command that this call follows from.
bool is_commanded(store::durable_store& store, const call_request& r);

/// When an undisturbed life began, and which effects are held to their time in it.
struct punctuality {
  utc_time since{};
  /// Timers may ring, and calls be answered, so much later than they should.
  std::chrono::milliseconds slack{3'000};
  /// Services that answer within this time whatever happens behind them, by their tool's name.
  std::vector<std::string> tools;
  std::chrono::milliseconds total_timeout{10'000};
};

/// What came too early or too late.
std::string unpunctual(const std::vector<journal::row>& rows, const punctuality& p);

/// Whether breakers judge by what they may: one that tripped closes only after an attempt that began
/// since has been answered, and trips again only after one that began since was not. Reads a stage's
/// events, those of the far side's tools among them.
std::string breaker_flaw(const std::vector<std::string>& trace);

/// Throws a `violation` unless all that is stored makes sense: each journal, one writer a key, and
/// with `at_the_end` that nothing is open. Agents named in `yielding` share their keys.
void check_store(store::durable_store& store, const std::vector<std::string>& yielding,
                 bool at_the_end);

/// Throws a `violation` where an effect was done twice, or one key stood for two.
void check_effects(const far_side& far);

} // namespace troupe::kit
