#pragma once
// What one API key may still be used for: its buckets, its requests in flight, its rests.
//
// Pure logic, part of a rate_limiter.

#include "actors/guard/first_token.hpp"
#include "actors/guard/gcra.hpp"
#include "actors/guard/rate_limit_options.hpp"
#include "actors/guard/server_limits.hpp"

#include <algorithm>
#include <optional>

namespace troupe {

/// Tokens of one request; a request counts as one besides.
struct token_use {
  double input = 0;
  double output = 0;
};

class api_key {
public:
  explicit api_key(const rate_limit_options& options);

  /// When a request could be sent, as far as time alone decides it; nothing while it waits for one
  /// in flight to end, and for a key that is dead.
  std::optional<steady_time> when(const token_use& estimate, steady_time now) const;

  /// Takes from all buckets at once.
  void take(const token_use& estimate, steady_time now);

  /// The request has ended: what it used in place of what was taken for it.
  void settle(const token_use& estimate, const token_use& used, steady_time now);

  /// The request was not sent: all that was taken for it comes back.
  void take_back(const token_use& estimate);

  /// Its answer began so late; where it was streamed. Before `went_well`.
  ///
  /// @param in_flight with it, when it was sent
  void began(std::chrono::duration<double> after, std::uint32_t in_flight);

  /// It went well: more may be in flight, unless answers begin late.
  void went_well();

  /// 429 or 529: rests for `retry_after`, or as long as it takes, then begins slowly.
  void throttled(std::optional<std::chrono::milliseconds> retry_after, steady_time now);

  /// 401, 402, 403: set aside. Looked at again after `set_aside`, with one request.
  void die(steady_time now) noexcept;
  void look(steady_time now) noexcept;

  /// What the server counts only tightens.
  void tighten(const server_limits& left, steady_time now);

  bool dead() const noexcept { return dead_; }
  steady_time dead_until() const noexcept { return dead_until_; }
  bool full() const noexcept;
  std::uint32_t in_flight() const noexcept { return in_flight_; }
  /// Requests that may be in flight now.
  double window() const noexcept { return window_; }
  /// Those that may be soon, when it has begun slowly.
  double reach() const noexcept { return std::max(window_, slow_until_); }
  steady_time rests_until() const noexcept { return rests_until_; }
  /// Requests in flight, of those that may be.
  double load() const noexcept { return in_flight_ / window_; }

private:
  std::chrono::milliseconds cooling_, cooling_max_, set_aside_;
  double window_max_;
  bool adaptive_;
  gcra requests_, input_, output_;
  std::uint32_t in_flight_ = 0;
  double window_;
  double slow_until_; ///< window up to which it grows by one with each success
  std::uint32_t throttles_ = 0; ///< one after the other
  first_token first_;
  std::uint32_t to_hear_ = 0; ///< answers, before lateness is held against it again
  steady_time rests_until_{};
  bool dead_ = false;
  steady_time dead_until_{};
};

} // namespace troupe
