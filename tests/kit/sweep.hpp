#pragma once
// A scenario, and crashes at every durable boundary of it.
//
//   auto report = kit::for_each_crash_point([](kit::world& w) -> std::string {
//     return kit::run_to_answer(w, cast(), "checkout", one_order, "client-key");
//   });
//
// A scenario that returns its result must return the same one wherever the machine dies, and the
// services must have been used as their effect classes promise. One that returns nothing checks
// that itself.

#include "tests/kit/world.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace troupe::kit {

struct stage_options;

std::string_view to_string(crash_kind k) noexcept;

/// What a sweep did.
struct sweep_report {
  std::uint64_t crash_points = 0;
  std::uint64_t runs = 0;
  /// Crash points by `crash_kind`.
  std::array<std::uint64_t, 4> kinds{};
};

struct sweep_options {
  /// A second crash too: at each of the `window` boundaries after the first one, and in the middle
  /// of the recovery from it, after so many turns of actors.
  bool twice = false;
  std::uint64_t window = 4;
  std::vector<std::uint64_t> recovery_turns{1, 8, 20};
  /// Whether what the effect classes promise is checked.
  bool promises = true;
};

/// A scenario is run on a fresh world; it must drive stages until its work is done, however often
/// the world crashes, and check the results.
using scenario = std::function<void(world&)>;
/// The same, with a result.
using answering = std::function<std::string(world&)>;

/// Runs `s` once without a crash, then once for every durable boundary with a crash there; with
/// `twice`, also with a second crash at each of the next `window` boundaries. Counts "crash points".
sweep_report for_each_crash_point(const scenario& s, bool twice = false,
                                  std::uint64_t window = 4);
sweep_report for_each_crash_point(const scenario& s, const sweep_options& how);

/// Runs all of them and compares results and effects with those of the undisturbed run. A `failure`
/// names the crash point and shows the last turns and events.
sweep_report sweep_crash_points(const answering& s, const sweep_options& how);

template <class Scenario>
  requires std::convertible_to<std::invoke_result_t<Scenario&, world&>, std::string>
sweep_report for_each_crash_point(Scenario s, const sweep_options& how = {}) {
  return sweep_crash_points(answering{std::move(s)}, how);
}

/// What the effect classes promise, and `w` has not kept; empty: all kept. Compared with a run that
/// nobody disturbed:
///   idempotent    the same number of keys, and never one key with two bodies
///   at_most_once  the same number of keys, and none of them twice
///   pure, read    anything
std::vector<std::string> broken_promises(const world& w, const world& undisturbed);

/// Lives of one world, until the invocation has its answer: what a client does that repeats its
/// request with the same key. @returns the answer's value, or the error's code; a `failure` where
/// `lives_max` lives were not enough
std::string run_to_answer(world& w, const stage_options& options, const std::string& agent,
                  const std::string& input, const std::string& key, std::uint64_t lives_max = 50);

} // namespace troupe::kit
