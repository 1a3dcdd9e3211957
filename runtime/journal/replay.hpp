#pragma once
// What a journal says about an invocation, made ready for replay.
//
// Replay is a comparison: the coroutine runs again, and at each step what it asks for must be what
// the journal holds next. This class answers "what comes next", and knows what else the rows tell:
// signals that nobody has consumed, decisions on parked effects, deaths. It knows no actors.

#include "runtime/journal/entry.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::journal {

/// A signal that waits to be consumed.
struct waiting_signal {
  std::uint64_t id = 0;
  std::string name;
  std::string value;
};

class replay {
public:
  /// An empty journal: everything is new.
  replay() = default;

  /// Reads the rows of one invocation, oldest first.
  explicit replay(std::vector<row> rows);

  // -- what the rows tell as a whole --
  const started& start() const noexcept { return started_; }
  std::uint32_t run() const noexcept { return run_; }
  std::uint32_t generation() const noexcept { return generation_; }
  /// Input of the current generation: the invocation's, or the last `continue_as` state.
  const std::string& input() const noexcept { return input_; }
  const std::optional<std::string>& state() const noexcept { return state_; }
  std::vector<std::pair<std::string, bool>>& patches() noexcept { return patches_; }
  /// LSN of the rows that began the last generations, oldest first.
  const std::vector<lsn>& generation_rows() const noexcept { return generation_rows_; }
  std::vector<waiting_signal> take_signals();
  const std::optional<cancel_asked>& cancel() const noexcept { return cancel_; }
  /// Whether the cancellation reached the coroutine.
  bool was_cancelled() const noexcept { return was_cancelled_; }
  /// Whether this drift has been noted before.
  bool has_drift(const std::string& detail) const { return drifts_.contains(detail); }
  const std::optional<ended>& end() const noexcept { return ended_; }
  const std::vector<died>& deaths() const noexcept { return deaths_; }
  /// Whether the effect there waits for a person, and the decision where one has been made.
  bool is_parked(const address& a) const { return parked_.contains(a); }
  const resolved* decision(const address& a) const;
  /// The parked effect that the next `resolve` is about: of those without a decision, the one that
  /// has waited longest. Null where there is none.
  const parked* undecided() const;
  /// Entries of the current generation, those that count against its bound.
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(steps_.size()); }

  // -- the record, in order --
  bool at_end() const noexcept { return next_ == steps_.size(); }
  /// The next command, completion, local, cancel_delivered, or the state_loaded of an agent that
  /// has let others in; only while not `at_end`.
  entry& peek() noexcept { return steps_[next_].what; }
  /// The run in which the next entry was written.
  std::uint32_t peek_run() const noexcept { return steps_[next_].run; }
  void advance() noexcept { ++next_; }
  /// Whether the record ends with a keyed agent's state: it had let others in (`yields`).
  bool ends_yielding() const noexcept {
    return !steps_.empty() && std::holds_alternative<state_loaded>(steps_.back().what);
  }
  std::uint32_t position() const noexcept { return static_cast<std::uint32_t>(next_); }

  /// Whether the effect there got the answer of another one under its business key.
  bool is_borrowed(const address& a) const { return borrowed_.contains(a); }
  /// After a retry: the success that the run before had at this address for the same request.
  const completion* carried(const command& c) const;
  /// The same, of an effect whose command was kept: it had succeeded beside what failed.
  const completion* carried(const address& a) const;
  bool carries() const noexcept { return !carried_.empty() || !unsettled_.empty(); }
  /// After a retry: the effect there failed definitely, so it runs anew under a new key.
  bool renewed(const address& a) const { return renewed_.contains(a); }
  /// How the effect there was last sent again: key and time. Null where it was sent once.
  const command* reissued(const address& a) const;
  /// After a retry: the same request stood at this address, and nobody knows whether it happened.
  /// Its key and the time it was first sent.
  struct sending {
    std::string key; ///< empty: from the address
    std::uint32_t run = 0;
    utc_time sent{};
  };
  const sending* unsettled(const command& c) const;

  /// How many entries a retry keeps: those before the failures that the agent ended on; all where
  /// nothing failed (an invocation that died goes on where it was); in no case a step that was
  /// undone, or what came after it.
  std::uint32_t kept_by_retry() const;

private:
  struct step {
    entry what;
    std::uint32_t run;
  };
  struct success {
    command asked;
    completion got;
  };
  struct attempt {
    command asked;
    sending how;
  };
  struct parking {
    parked what;
    std::optional<resolved> decision;
  };

  void take_row(row& r);
  void take(entry& e, const row& r);
  void take_step(entry& e, std::uint32_t run);
  void begin_generation(generation_began& began, const row& r);
  void begin_run(std::uint32_t kept, std::uint32_t run);
  void leave_behind(std::size_t kept);
  void forget_undone(const compensated& u);
  std::uint32_t before_failures() const;

  started started_;
  std::uint32_t run_ = 0;
  std::uint32_t generation_ = 0;
  std::string input_;
  std::optional<std::string> state_;
  std::vector<std::pair<std::string, bool>> patches_;
  std::vector<lsn> generation_rows_;
  std::map<std::uint64_t, waiting_signal> signals_;
  std::optional<cancel_asked> cancel_;
  bool was_cancelled_ = false;
  std::map<address, parking> parked_;
  std::optional<ended> ended_;
  std::vector<died> deaths_;
  std::vector<step> steps_;
  std::set<address> open_; ///< commands without a completion
  std::map<address, command> reissued_;
  std::map<address, success> carried_;
  std::map<address, attempt> unsettled_;
  std::set<address> renewed_;
  std::vector<compensated> undone_;
  std::set<address> borrowed_;
  std::set<std::string> drifts_;
  std::size_t next_ = 0;
};

} // namespace troupe::journal
