#pragma once
// A rate limiter in front of one model, as its endpoint sees it.
//
// The decision (rate_limiter.hpp) stands before every attempt, so one that may go at once costs no
// message: the state is shared within the process, behind a lock, and asked on the spot. The actor
// of the limiter (limiter_actor.hpp) does what takes time: it lets those that wait go, in their
// order, when tokens have come or a place is free.
//
//     auto turn = limiter.ask(claim, address());  // an error: it never will
//     if (!turn->key) ..                          // wait for `limiter_decision`
//     ...                                         // the attempt, with that key
//     limiter.end(turn->id, outcome_error, used);
//
// Whoever has a turn, or waits for one, ends it with `end` or `give_up`, whatever happens; an endpoint
// that dies does so for all of its own.
//
// Events: `limiter.waits` and `limiter.waited` of calls that do not go at once, `limiter.cooling`,
// and the alarm `limiter.key_refused`, with the number of the key, never the key.
//
// Lifecycle: made once for each endpoint, outlives its restarts. Threads: any.

#include "actors/guard/rate_limiter.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/json.hpp"

#include <caf/actor_addr.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <mutex>
#include <string>
#include <unordered_map>

namespace troupe {

/// Leave to send one request, or a place in the queue.
struct limiter_turn {
  std::uint64_t id = 0;
  std::optional<std::size_t> key; ///< the key to use; nothing: wait
};

/// To one that waited: it may go, or never will. The turn may have been given up meanwhile.
struct limiter_decision {
  std::uint64_t id = 0;
  std::size_t key = 0;
  std::optional<error> refused;
};

/// How one key stands.
struct limiter_key_info {
  bool refused = false;           ///< by the server: set aside
  std::uint32_t in_flight = 0;
  double window = 0;              ///< requests that may be in flight now
  std::int64_t rests_ms = 0;      ///< until it may be used
};
BOOST_DESCRIBE_STRUCT(limiter_key_info, (), (refused, in_flight, window, rests_ms))

/// How a limiter stands.
struct limiter_info {
  std::string name;          ///< of the service: `llm:fast`
  std::uint32_t waiting = 0;
  std::uint32_t in_flight = 0;
  std::uint64_t granted = 0; ///< since it was made
  std::uint64_t waited = 0;  ///< of them, not at once
  std::vector<limiter_key_info> keys;
};
BOOST_DESCRIBE_STRUCT(limiter_info, (), (name, waiting, in_flight, granted, waited, keys))

class limiter {
public:
  /// @param service what it meters, for events
  /// @param env     outlives it
  limiter(std::string service, const rate_limit_options& options, std::size_t keys,
          std::uint32_t in_flight_max, const environment& env);

  /// @param who gets the `limiter_decision` where it has to wait
  /// @returns an error of rate_limiter::enqueue where it never will
  result<limiter_turn> ask(rate_claim claim, caf::actor_addr who);

  /// Takes the last that came of those who have most waiting out of the queue, with `overloaded`, for
  /// one of an agent or tenant with fewer. @returns false where nobody has more
  bool make_room(const rate_claim& newcomer);

  /// Nothing was sent; or it waits no more.
  void give_up(std::uint64_t turn);

  /// What its server says beside the answer, before `end`.
  void heard(std::uint64_t turn, const server_limits& left);

  /// The request has ended, well where `why` is null.
  /// @param used absent: as estimated
  /// @param first_token how late its answer began; absent: it was not streamed, or never began
  /// @returns what that says of the key
  rate_outcome end(std::uint64_t turn, const error* why, std::optional<token_use> used,
                   std::optional<std::chrono::nanoseconds> first_token = std::nullopt);

  /// Whether some key may be used now, as far as the server is concerned.
  bool usable();
  /// Whether each key was refused and is set aside.
  bool refused();
  /// How long one that comes now would wait.
  std::chrono::milliseconds expected_wait();
  /// Output tokens of an answer, smoothed: the estimate of one whose request sets no bound.
  double usual_output();
  limiter_info info();

  // -- of its actor --

  /// Who gets `limiter_look` when there is something to decide.
  void observe(caf::actor_addr observer);
  /// Lets those go that may. @returns when to do it again without being asked; `never`: not
  utc_time look();

private:
  struct waiter {
    caf::actor_addr who;
    steady_time since{};
    std::string agent;
  };
  struct flight {
    std::size_t key = 0;
    server_limits left;
  };
  class key_watch;
  using lock = std::lock_guard<std::mutex>;

  void call_observer();
  void tell(rate_decision d, steady_time now);
  rate_end end_of(const flight& f, const error* why, std::optional<token_use> used) const;
  void close(std::uint64_t turn, const rate_end& how);
  void tell_key(std::string_view event_name, level lvl, std::size_t key, std::int64_t rest_ms) const;
  void tell_wait(std::string_view event_name, const waiter& w, std::string_view result,
                 std::optional<std::chrono::microseconds> took) const;

  const std::string service_;
  const environment& env_;
  std::mutex mutex_;
  rate_limiter logic_;
  std::unordered_map<std::uint64_t, waiter> waiting_;
  std::unordered_map<std::uint64_t, flight> flying_;
  caf::actor_addr observer_;
  bool called_ = false; ///< the observer, and it has not looked yet
  std::uint64_t last_turn_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t waited_ = 0;
  double usual_output_ = 500; ///< before the first answer: an answer of a page
};

/// From the shared state to the actor: there is something to decide.
struct limiter_look {};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::limiter_decision)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::limiter_look)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::limiter_info)
