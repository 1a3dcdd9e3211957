#pragma once
// A failing run, with as few choices as still fail. Private to this folder; see explore.hpp.

#include "tests/kit/schedule.hpp"
#include "tests/kit/sweep.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::kit {

/// One run of a scenario.
struct attempt {
  schedule_options options;
  std::optional<std::string> failed; ///< what it said
  std::uint64_t turns = 0;
  std::uint64_t steps = 0;
  std::uint64_t digest = 0;
  std::chrono::microseconds virtual_time{};
  // Where it failed:
  std::vector<schedule::choice> choices;
  std::string turns_table;
  std::string events_table;
};

/// Runs `s` on a fresh world, with its own choices or with these.
attempt run_attempt(const schedule_options& options,
                    const std::vector<schedule::choice>* choices, const scenario& s);

/// Delta debugging over the choices, each run in a process of its own: what it prints, and what it
/// breaks, is nobody's. @returns `first` where no smaller run fails
attempt minimise(const attempt& first, std::uint32_t tries_max, const scenario& s);

} // namespace troupe::kit
