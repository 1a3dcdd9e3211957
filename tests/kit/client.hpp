#pragma once
// A client as one should be: it repeats what was not answered under the same idempotency key, keeps
// what it was told, and compares that with what is durable. Private to the kit; see rehearsal.hpp.

#include "tests/kit/rehearsal.hpp"

#include <random>

namespace troupe::kit {

class client {
public:
  explicit client(const part& p) : part_(&p) {}

  /// Asks (again), signals, cancels; unless `eager`, only perhaps.
  void act(stage& on, std::mt19937_64& chance, bool eager);

  /// To be called after each turn of the stage: what has it been told? Throws a `violation`.
  void watch(stage& on);

  /// That life is over; what was not answered never will be.
  void forget_stage() {
    here_.clear();
    gone_ = false; // an owner that was replaced does not know better
  }

  bool done() const noexcept { return ended_.has_value(); }
  const part& what() const noexcept { return *part_; }
  const std::string& id() const noexcept { return id_; }
  part_played played() const { return {ended_.value_or(answer{}), signals_}; }
  /// For a report: how far it has come.
  std::string standing() const;

private:
  using reply = std::shared_ptr<std::optional<command_reply>>;
  /// What it has asked of one stage.
  struct asked {
    stage* of = nullptr;
    std::shared_ptr<answer> run;
    bool accepted = false;
    bool ended = false;
    std::vector<std::pair<std::uint32_t, reply>> signals;
    reply cancel;
  };

  asked& at(stage& on);
  void watch_answer(asked& a);
  void watch_signals(asked& a);

  const part* part_;
  std::vector<asked> here_;
  std::string id_;
  std::optional<answer> ended_;
  std::set<std::uint32_t> signals_;
  std::uint32_t last_signal_ = 0;
  bool cancel_told_ = false;
  bool gone_ = false; ///< it was told that the invocation is over
};

} // namespace troupe::kit
