#pragma once
// The walk of an agent class through a record: the rules of a real replay (invocation_life.cpp and
// invocation_issue.cpp in runtime/core), without an actor, a store or a service. Private to the kit.

#include "runtime/core/agent.hpp"
#include "runtime/journal/replay.hpp"
#include "tests/kit/recorded.hpp"

#include <memory>

namespace troupe::kit::detail {

/// What an invocation keeps in its effects, for this other context. (A pointer to a protected member
/// may be made in a derived class; effect.hpp need not know of the kit.)
struct opened : effect_base {
  static auto outcome(effect_base& e) -> result<std::string>& { return e.*(&opened::outcome_); }
  static auto seq(effect_base& e) -> std::uint32_t& { return e.*(&opened::seq_); }
  static auto pending(effect_base& e) -> bool& { return e.*(&opened::pending_); }
};

/// One generation of the record: its steps, and how it ends.
struct stretch {
  journal::replay record;
  std::optional<std::string> continued; ///< the state that the next generation begins with
  std::optional<std::string> saved;     ///< the keyed agent's state there
  bool last = false;
  bool whole = true; ///< the next generation in the record is the next one that there was
};

/// Cuts the rows where generations begin; each part is what a store held at the end of that
/// generation.
std::vector<stretch> stretches_of(const journal::exported& what);

step_side side_of(const effect_base& e);
step_side side_of_end(std::string kind, const result<std::string>& how);

class walk final : public context {
public:
  walk(const journal::exported& from, const agent_class& cls, const replay_options& options,
       replay_report& report)
    : from_(from), class_(cls), options_(options), report_(report) {}
  ~walk() override { drop(); }

  /// False where the code has left the record.
  bool go(stretch& part) {
    part_ = &part;
    auto& r = part.record;
    patches_ = r.patches();
    generation_ = r.generation();
    saga_steps_ = 0;
    report_.steps_recorded += r.size();
    if (begin())
      run();
    drop();
    return !stopped_;
  }

  /// The generation's rows are not in the record any more.
  bool was_trimmed() const noexcept { return trimmed_; }

  // -- context --
  bool issue(effect_base& e) override;
  void abandon(effect_base& e) noexcept override {
    opened::pending(e) = false;
    std::erase(pending_, &e);
  }

private:
  bool begin();
  void run();
  void next();
  void deliver(effect_base& e, journal::completion& done);
  void root_ended();
  void root_waits();
  bool issue_patched(effect_base& e);
  bool issue_local(effect_base& e);
  void issue_past_end(effect_base& e);
  void compare_end(const agent_base::ending& end);
  void compare_state(std::string_view what, const std::string& recorded);

  step_side recorded_side() const;
  step_side side_of_command(const journal::command& c) const;
  void stop(std::string what, step_side code, step_side record);
  void drift(std::string what, step_side code, step_side record);
  difference made(std::string what, step_side code, step_side record) const;
  void tell(std::string_view what);
  void drop() noexcept {
    root_.reset(); // frames lie on the branch, and refer to what the agent holds
    agent_.reset();
    pending_.clear();
  }
  journal::replay& record() const { return part_->record; }

  const journal::exported& from_;
  const agent_class& class_;
  const replay_options& options_;
  replay_report& report_;
  stretch* part_ = nullptr;
  std::vector<std::pair<std::string, bool>> patches_;
  std::uint32_t generation_ = 0;
  std::uint32_t saga_steps_ = 0;
  std::unique_ptr<agent_base> agent_;
  std::unique_ptr<troupe::detail::branch> root_;
  std::vector<effect_base*> pending_;
  bool cancelled_ = false;
  bool key_away_ = false; ///< a keyed agent has let others in
  bool trimmed_ = false;  ///< this generation is not in the record any more
  bool stopped_ = false;
};

} // namespace troupe::kit::detail
