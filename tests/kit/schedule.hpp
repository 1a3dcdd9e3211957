#pragma once
// Who goes next.
//
// A bug of two actors needs one order among thousands. Picking at random finds those that need few
// coincidences; PCT ("probabilistic concurrency testing", Burckhardt and others, 2010) gives each
// actor a random priority, always runs the highest, and lowers it at a few random moments: a bug
// that needs d such moments among k steps and n actors is found with a chance of at least
// 1 / (n * k^(d-1)) a seed, however unlikely it is among all orders.
//
// What was chosen other than first come first served is remembered, so that a run can be repeated
// with fewer such choices: what is left of them is the bug (explore.hpp).

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace troupe::kit {

enum class strategy : std::uint8_t {
  fifo,   ///< first come, first served: what a test without a seed would see
  random, ///< any runnable actor, with equal chances
  pct,    ///< priorities with change points
};

std::string_view to_string(strategy s) noexcept;

struct schedule_options {
  std::uint64_t seed = 1;
  strategy how = strategy::random;
  /// PCT: moments at which the highest priority becomes the lowest. Most known bugs need up to 3.
  std::uint32_t change_points = 3;
  /// PCT: those moments lie within so many steps; an estimate will do.
  std::uint64_t steps_expected = 2'000;
};

/// Decides over all lives of one world. Not thread-safe: a stage has one thread.
class schedule {
public:
  /// At step `step`, the runnable actor number `taken` went, not the first.
  struct choice {
    std::uint64_t step = 0;
    std::uint64_t taken = 0;
  };

  explicit schedule(schedule_options options);
  /// Repeats these choices; between them it is first come, first served.
  schedule(schedule_options options, std::vector<choice> choices);

  /// A new life of the process begins: actor numbers begin again. @returns its seed for all chance
  /// but the order
  std::uint64_t begin_life();

  /// @param runnable numbers of the actors that could go, in the order in which they became
  ///                 runnable; not empty
  /// @returns index of who goes
  std::size_t pick(std::span<const std::uint64_t> runnable);

  const schedule_options& options() const noexcept { return options_; }
  std::uint64_t steps() const noexcept { return steps_; }
  const std::vector<choice>& choices() const noexcept { return choices_; }

private:
  std::size_t pick_by_priority(std::span<const std::uint64_t> runnable);

  schedule_options options_;
  std::mt19937_64 order_;
  std::uint64_t life_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<choice> choices_;
  bool repeats_ = false;
  std::size_t next_ = 0; ///< of `choices_`, where it repeats
  std::unordered_map<std::uint64_t, std::uint64_t> priorities_;
  std::vector<std::uint64_t> change_at_; ///< ascending
  std::size_t changed_ = 0;
};

} // namespace troupe::kit
