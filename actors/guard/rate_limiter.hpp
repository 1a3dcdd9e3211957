#pragma once
// Who may send when, and with which API key.
//
// A model's server answers 429 to whoever sends too much, and what it turned away has cost time,
// counts against the limit with some, and comes back together. So nothing is sent that would be
// refused: each call waits here until one key has everything that it needs, a request, input
// tokens, output tokens and a place in flight, and takes all of it in one step.
//
//   enqueue   a call, with an estimate of its tokens
//   step      which of those that wait may go now, and with which key
//   finish    what one has used in place of its estimate; or why it failed
//   next      when `step` has something to do again without a `finish`
//
// Waiting is fair between tenants and agents (fair_queue.hpp). A call whose deadline cannot be met
// is refused at once, as is one above `queue`. Pure logic of one actor; not thread-safe.

#include "actors/guard/api_key.hpp"
#include "actors/guard/fair_queue.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

/// One call that wants to go.
struct rate_claim {
  token_use estimate; ///< input counted, output as much as is allowed
  std::string tenant;
  std::string agent;
  int priority = 0;
  double weight = 1;
  double tenant_weight = 1;
  steady_time deadline = steady_time::max();
};

/// What has become of one that waited.
struct rate_decision {
  std::uint64_t id = 0;
  std::size_t key = 0;        ///< the key to use, where it may go
  std::optional<error> refused; ///< else why it never will
};

/// How a request ended, as far as the limits are concerned.
enum class rate_outcome : std::uint8_t {
  went_well,
  failed,    ///< for reasons of its own: what it took is settled
  not_sent,  ///< it never left: all comes back
  throttled, ///< 429, 529
  key_dead,  ///< 401, 402, 403
};

/// The end of one request.
struct rate_end {
  rate_outcome how = rate_outcome::went_well;
  std::optional<token_use> used; ///< absent: as estimated
  std::optional<std::chrono::milliseconds> retry_after;
  server_limits left;
  std::optional<std::chrono::duration<double>> first_token{}; ///< how late a stream began
  std::optional<error> why{}; ///< of a key that was refused: what its next callers are told
};

class rate_limiter {
public:
  /// Requests in flight of a key where nobody says: a common limit of the cheaper tiers.
  static constexpr std::uint32_t in_flight_usual = 20;

  /// @param keys how many API keys there are; at least 1
  /// @param in_flight_max over all keys; 0: as many as the keys may have
  rate_limiter(const rate_limit_options& options, std::size_t keys,
               std::uint32_t in_flight_max = 0);

  /// @param id names it; of no other call that waits or is in flight
  /// @returns `overloaded` (queue full), `rate_limited` (the keys rest for longer than it can wait),
  ///          `deadline_exceeded` (its turn would come too late), or why the last key was refused
  ///          (no key is left); the first three with `retry_after`
  result<void> enqueue(std::uint64_t id, rate_claim claim, steady_time now);

  /// Takes one out of a full queue for a newcomer whose agent or tenant has fewer waiting: the one
  /// that came last of those who have most. @returns it, with `overloaded`; nothing where nobody has
  /// more
  std::optional<rate_decision> make_room(const rate_claim& newcomer, steady_time now);

  /// Those that may go now, in their order, with all they need taken; and those that never will.
  std::vector<rate_decision> step(steady_time now);

  /// When time alone lets the next one go.
  std::optional<steady_time> next(steady_time now) const;

  /// One that waited does so no more.
  void leave(std::uint64_t id);

  /// A request that was let go has ended.
  void finish(std::uint64_t id, const rate_end& end, steady_time now);

  std::size_t waiting() const noexcept { return queue_.size(); }
  std::size_t in_flight() const noexcept { return granted_.size(); }
  const std::vector<api_key>& keys() const noexcept { return keys_; }
  std::vector<api_key>& keys() noexcept { return keys_; }
  bool full() const noexcept { return queue_.size() >= options_.queue; }
  /// How long until all that wait have gone and one more may, as far as can be told.
  std::chrono::milliseconds expected_wait(const token_use& estimate, steady_time now) const;

private:
  struct grant {
    std::size_t key = 0;
    token_use estimate;
    steady_time since{};
    std::uint32_t in_flight = 0; ///< of its key, with it
  };

  std::chrono::milliseconds wait_behind(double part, const token_use& estimate, steady_time now) const;
  queue_place place_of(const rate_claim& c, steady_time now) const;
  error full_error(std::chrono::milliseconds wait) const;
  std::optional<std::size_t> choose(const token_use& estimate, steady_time now) const;
  std::optional<steady_time> earliest(const token_use& estimate, steady_time now) const;
  std::optional<error> hopeless(const rate_claim& c, steady_time now) const;
  void refuse_hopeless(std::vector<rate_decision>& out, steady_time now);
  void forget(std::uint64_t id);
  void look(steady_time now);
  double cost_of(const token_use& u) const;

  rate_limit_options options_;
  std::size_t in_flight_max_;
  std::vector<api_key> keys_;
  fair_queue queue_;
  std::unordered_map<std::uint64_t, rate_claim> claims_; ///< those that wait
  std::set<std::pair<steady_time, std::uint64_t>> deadlines_; ///< theirs, the next one first
  std::unordered_map<std::uint64_t, grant> granted_;
  std::optional<error> refused_; ///< why the last key was set aside
  double cost_waiting_ = 0; ///< minutes of one key that all who wait will take
  double usual_seconds_ = 0; ///< in flight, smoothed; 0: nothing has ended yet
};

} // namespace troupe
