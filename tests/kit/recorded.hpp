#pragma once
// Yesterday's run, against today's code.
//
// An agent that was changed may ask for other things than the runs that are still open: the next
// deploy would pause them as nondeterministic, or drift. And what a change does to a real, long,
// odd run is more than any invented input shows. `troupe journal ID --export FILE` takes a run with
// all that it was answered; here the class as it is now walks through it:
//
//     auto run = kit::recorded::load("refund.journal").value();
//     auto report = kit::replay(run);
//     INFO(report);
//     CHECK(report.same());
//
// Nothing is called and no time passes: what the record holds is answered in its order, by the
// rules of a real replay (runtime/journal/README.md), and nothing past its end. It all happens on
// the calling thread, so a debugger steps from the test into the agent's `run` and on from one await to
// the next: set a breakpoint there, or in `replay_options::on_step`.
//
// Every generation that the record holds is walked through, keyed agents begin on their recorded
// state, and children, signals, timers, time and chance are what they were.

#include "runtime/core/json_difference.hpp"
#include "runtime/journal/exported.hpp"

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::kit {

class stage;

/// One exported journal.
class recorded {
public:
  /// @returns `errc::not_found`; and what `journal::read_export` says of a damaged file
  static result<recorded> load(const std::filesystem::path& file);
  /// @param name what errors call it
  static result<recorded> parse(std::string_view text, std::string_view name);
  /// What stands on a stage now: its journal as a record, e.g. to keep it as a file.
  static result<recorded> of(stage& on, const std::string& id, std::string agent_class = {});

  const journal::exported& what() const noexcept { return what_; }
  /// The file.
  result<std::string> text() const { return journal::write_export(what_); }

private:
  explicit recorded(journal::exported what) : what_(std::move(what)) {}

  journal::exported what_;
};

/// What one side of a comparison asks for, or says.
struct step_side {
  std::string kind;      ///< `tool`, `model`, `sleep` ..; `end`, `continue_as`, `nothing`, `throws`
  std::string name;      ///< of the tool, model, agent, signal, step
  std::string at;        ///< its address, `3.0/1`
  std::string arguments; ///< JSON; also the answer where it ends. Empty where there are none
  std::string key;       ///< the business key

  /// `tool "charge" at -/1 {"cents":990}`
  std::string text() const;
  bool operator==(const step_side&) const = default;
};

/// One place at which the code and the record differ.
struct difference {
  std::string what;             ///< a sentence
  std::uint32_t generation = 0;
  std::uint32_t step = 0;       ///< of that generation's record, from 1
  step_side code;
  step_side record;
  std::vector<json_difference> places; ///< within arguments or answers; left is the code
};

struct replay_report {
  std::string id;          ///< of the recorded invocation
  std::string agent_class; ///< that was replayed
  std::uint32_t steps = 0; ///< of the record that the code went through
  std::uint32_t steps_recorded = 0;
  /// Where the code leaves the record: there a real replay pauses, and this one ends.
  std::optional<difference> first;
  /// Reads, model calls, `emit`s and saved states that differ: a real replay goes on with what was
  /// recorded, and so does this one.
  std::vector<difference> drifts;
  /// Of a run that was still open: what the code asks for once the record is at its end. Nobody
  /// answers.
  std::vector<step_side> beyond;
  /// Generations that are not in the record any more (their rows were trimmed).
  std::vector<std::uint32_t> skipped;
  /// How the last generation ended now, and in the record; nothing where it did not.
  std::optional<result<std::string>> answer;
  std::optional<result<std::string>> answer_recorded;

  /// The same commands in the same order, with the same arguments where they matter.
  bool same_commands() const noexcept { return !first; }
  /// Beside that, the same answer, and no drift.
  bool same() const;
  /// All of it, for people.
  std::string text() const;
};

std::ostream& operator<<(std::ostream& out, const replay_report& report);

struct replay_options {
  /// The class; empty: the one that the record names.
  std::string agent_class{};
  /// Called before each step that the record answers or confirms.
  std::function<void(std::uint32_t generation, std::uint32_t step, std::string_view what)>
    on_step{};
};

/// Walks the class, as it is registered in this process, through the record.
replay_report replay(const recorded& run, const replay_options& options = {});

} // namespace troupe::kit
