#pragma once
// Many schedules of one scenario.
//
//   kit::for_each_seed(1'000, [](kit::world& w) {
//     kit::stage aut{w, cast()};           // the world's schedule wins over the options' seed
//     ...
//     kit::require(balance == 0, "money was lost");
//   });
//
// A scenario fails by an exception (`kit::require`, Catch2's REQUIRE) or by an assertion that the
// framework counts (Catch2's CHECK). The failing seed is then run again with ever fewer choices of
// who goes first, as long as it still fails, and the report shows what is left: the turns that
// matter, the latest events, and the command that runs this one seed.
//
// Environment: TROUPE_SEEDS=100000 runs so many instead; TROUPE_SEED=7, or `--seed 7` where the
// test's main is the kit's, runs that one alone.

#include "tests/kit/failure.hpp"
#include "tests/kit/schedule.hpp"
#include "tests/kit/sweep.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace troupe::kit {

struct exploration {
  std::uint64_t seeds = 1'000;
  std::uint64_t first = 1; ///< the first of them
  /// Nothing: odd seeds are random, even ones PCT, so that a number says which run is meant.
  std::optional<strategy> only{};
  std::uint32_t change_points = 3;
  /// Runs of a failing seed with fewer choices, each in a process of its own; 0: none.
  std::uint32_t tries_max = 200;
  /// Whether TROUPE_SEEDS and TROUPE_SEED count.
  bool from_environment = true;
};

/// A seed that failed.
struct failing_seed {
  std::uint64_t seed = 0;
  strategy how = strategy::random;
  std::string what;   ///< of the exception
  std::string report; ///< all of it, for people
};

struct exploration_report {
  std::uint64_t seeds = 0; ///< that were run
  std::uint64_t turns = 0; ///< of actors, over all seeds
  std::uint64_t digest = 0;///< over all traces
  std::chrono::microseconds virtual_time{};
  std::chrono::microseconds real_time{};
  std::optional<failing_seed> failed; ///< the first; the others were not run
};

/// Runs seeds until one fails. Throws nothing that the scenario throws.
exploration_report explore(const exploration& how, const scenario& s);

/// The same, with a `failure` that holds the report where a seed fails. Counts "seeds".
exploration_report for_each_seed(std::uint64_t seeds, const scenario& s);
exploration_report for_each_seed(const exploration& how, const scenario& s);

/// Runs one seed in `w`: throws what the scenario throws.
void run_seed(world& w, schedule_options how, const scenario& s);

} // namespace troupe::kit
