#pragma once
// How the last calls went: of a count, or of a time. Pure logic of a breaker.

#include "runtime/core/clock.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// Calls, and how many of them failed or were slow.
struct call_tally {
  std::uint32_t calls = 0;
  std::uint32_t failed = 0;
  std::uint32_t slow = 0;

  double failure_rate() const noexcept { return calls == 0 ? 0 : double(failed) / calls; }
  double slow_rate() const noexcept { return calls == 0 ? 0 : double(slow) / calls; }
};

class call_window {
public:
  static constexpr std::size_t buckets = 10;

  /// @param count calls that are looked at, where `span` is 0
  /// @param span  else the time
  call_window(std::uint32_t count, std::chrono::milliseconds span);

  void add(bool failed, bool slow, steady_time now);
  call_tally tally(steady_time now);
  void clear() noexcept;

  /// What it has seen, the oldest first: `.` went well, `s` slow, `f` failed, `F` both. Of a count
  /// only: calls of a time are forgotten soon anyway.
  std::string text() const;
  void restore(std::string_view text);

private:
  static constexpr std::uint8_t failed_bit = 1;
  static constexpr std::uint8_t slow_bit = 2;

  void count(std::uint8_t call, bool in) noexcept;
  void turn(steady_time now) noexcept;

  std::chrono::nanoseconds bucket_; ///< 0: by count
  // By count: a ring.
  std::size_t count_;
  std::vector<std::uint8_t> ring_;
  std::size_t next_ = 0;
  // By time: buckets of one tenth each.
  std::array<call_tally, buckets> tallies_{};
  std::int64_t current_ = 0; ///< number of the bucket that is being filled
  call_tally sum_;
};

} // namespace troupe
