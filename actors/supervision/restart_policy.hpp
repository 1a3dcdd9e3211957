#pragma once
// The arithmetic of restarts: how many, how soon, and from which checkpoint. Pure logic.

#include "actors/supervision/supervisor_options.hpp"
#include "runtime/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace troupe {

/// Restarts within a period.
class restart_window {
public:
  restart_window(std::uint32_t intensity, std::chrono::milliseconds period)
    : intensity_(intensity), period_(period) {}

  /// One more restart, or one that failed; false when that is one too many.
  bool count(steady_time now);
  std::size_t size() const noexcept { return times_.size(); }

private:
  std::uint32_t intensity_;
  std::chrono::milliseconds period_;
  std::deque<steady_time> times_;
};

/// Delay before restart `step` (0 first): min(max, min * factor^step), give or take the jitter.
std::chrono::milliseconds restart_delay(const backoff_options& options, std::uint32_t step,
                                        random_source& random);

/// The latest checkpoints of one child, and how far back the next start goes.
class checkpoint_history {
public:
  /// @param size_max checkpoints kept
  explicit checkpoint_history(std::size_t size_max) : size_max_(size_max) {}

  void started() noexcept { saved_since_start_ = 0; }
  void save(std::string state);

  /// Its owner died, or could not be started (`at_once`, too). At once: what it saved in its short
  /// life is dropped, and the next start goes one further back; else the next start takes the
  /// latest again.
  void died(bool at_once);

  /// What the next start gets; empty: nothing.
  std::string next() const;
  /// `latest`, `1 before the latest`, `none`: for the event.
  std::string describe() const;

private:
  std::deque<std::string> kept_;
  std::size_t size_max_;
  std::size_t saved_since_start_ = 0;
  std::size_t back_ = 0;
};

} // namespace troupe
