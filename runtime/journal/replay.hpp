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
  bool cancel_was_delivered() const noexcept { return cancel_delivered_; }
  const std::optional<parked>& last_parked() const noexcept { return parked_; }
  const std::optional<resolved>& resolution() const noexcept { return resolved_; }
  const std::optional<ended>& end() const noexcept { return ended_; }
  const std::vector<died>& deaths() const noexcept { return deaths_; }
  /// Entries of the current generation, those that count against its bound.
  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(steps_.size()); }

  // -- the record, in order --
  bool at_end() const noexcept { return next_ == steps_.size(); }
  /// The next command, completion, local or cancel_delivered; only while not `at_end`.
  entry& peek() noexcept { return steps_[next_].what; }
  /// The run in which the next entry was written.
  std::uint32_t peek_run() const noexcept { return steps_[next_].run; }
  void advance() noexcept { ++next_; }
  std::uint32_t position() const noexcept { return static_cast<std::uint32_t>(next_); }

  /// After a retry: the success that the run before had at this address for the same request.
  const completion* carried(const command& c) const;
  /// After a retry: the effect there failed definitely, so it runs anew under a new key.
  bool renewed(const address& a) const { return renewed_.contains(a); }

  /// How many entries a retry keeps: those before the last completion that failed; all where none
  /// did (an invocation that died goes on where it was).
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

  void take_row(row& r);
  void begin_run(std::uint32_t kept, std::uint32_t run);

  started started_;
  std::uint32_t run_ = 0;
  std::uint32_t generation_ = 0;
  std::string input_;
  std::optional<std::string> state_;
  std::vector<std::pair<std::string, bool>> patches_;
  std::vector<lsn> generation_rows_;
  std::map<std::uint64_t, waiting_signal> signals_;
  std::optional<cancel_asked> cancel_;
  bool cancel_delivered_ = false;
  std::optional<parked> parked_;
  std::optional<resolved> resolved_;
  std::optional<ended> ended_;
  std::vector<died> deaths_;
  std::vector<step> steps_;
  std::map<address, success> carried_;
  std::set<address> renewed_;
  std::size_t next_ = 0;
};

} // namespace troupe::journal
