#pragma once
// One life of a process in a rehearsal: a stage, its far side, and real tools under a supervisor.
// Private to the kit; see rehearsal.hpp.

#include "tests/kit/rehearsal.hpp"

#include <caf/actor.hpp>

#include <map>
#include <memory>
#include <random>
#include <string>

namespace troupe::kit {

class process {
public:
  process(world& w, far_side& far, const production& p, std::uint64_t seed);
  ~process() { *here_ = nullptr; }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  stage& on() { return *stage_; }

  /// One of its tools dies.
  void kill_tool(std::mt19937_64& chance);

private:
  void open_workshop(far_side& far, const production& p);

  whereabouts here_;
  /// The tools that live, by their names with the supervisor.
  std::shared_ptr<std::map<std::string, caf::actor>> tools_;
  std::unique_ptr<stage> stage_;
};

/// Decides on parked effects as a person would: looks at the far side, once nothing can be under
/// way any more.
void resolve_parked(stage& on, far_side& far);

} // namespace troupe::kit
