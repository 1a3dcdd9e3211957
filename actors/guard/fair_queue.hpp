#pragma once
// Who is next, when several wait for one thing: fair between tenants, then between their agents.
//
// First come, first served gives a service to whoever asks most. Here each tenant gets its share
// whatever the others ask for, and within it each agent: start-time fair queuing (Goyal, Vin and
// Cheng, 1996) on two levels. What comes with a higher priority goes first, and waiting makes up for
// a lower one, so that nobody waits for ever. It does not go beyond: else the backlog of one who asks
// for much would be older than what the others ask for, and first come, first served again.
//
// Pure logic, not thread-safe. Costs are in any one unit; a share is measured in it.

#include "runtime/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

namespace troupe {

/// One that waits.
struct queue_place {
  std::string tenant;
  std::string agent;
  int priority = 0; ///< higher goes first
  double cost = 1;  ///< of its turn
  double weight = 1;        ///< of its agent within the tenant: twice the weight, twice the share
  double tenant_weight = 1; ///< of its tenant
  steady_time since{};
};

class fair_queue {
public:
  /// Waiting this long is worth one step of priority, up to the highest that waits. Zero: waiting is
  /// worth nothing.
  explicit fair_queue(std::chrono::nanoseconds ageing = std::chrono::seconds{10})
    : ageing_(ageing) {}

  /// @param id names it; must not be in the queue
  void push(std::uint64_t id, queue_place place);

  /// Whose turn it is.
  std::optional<std::uint64_t> front(steady_time now) const;

  /// Takes out whose turn it was: its flow has had its share.
  void served(std::uint64_t id);

  /// Takes out one that waits no more: it costs its flow nothing.
  void erase(std::uint64_t id);

  /// The part, from 0 to 1, of what waits that goes before one that came now, if nobody else comes:
  /// higher priorities, what came before it of its own agent, and what the shares of the others
  /// allow them meanwhile.
  double ahead(const queue_place& place) const;

  /// Who makes room, where there is none, for one of another flow: the last that came of those who
  /// have most waiting. Nothing where nobody has more than the newcomer's own would have then.
  std::optional<std::uint64_t> to_shed(const queue_place& newcomer) const;

  bool contains(std::uint64_t id) const { return places_.contains(id); }
  const queue_place& place(std::uint64_t id) const { return places_.at(id); }
  std::size_t size() const noexcept { return places_.size(); }
  bool empty() const noexcept { return places_.empty(); }

private:
  /// Of one agent and priority: first come, first served.
  struct flow {
    std::deque<std::uint64_t> waiting;
    double cost = 0;   ///< of those
    double weight = 1;
    double finish = 0; ///< virtual time at which its share up to now is used up
  };
  struct tenant {
    std::map<std::pair<std::string, int>, flow> flows;
    double weight = 1;
    double finish = 0;
    double virtual_time = 0; ///< start of the last one that was served
    std::size_t waiting = 0;
  };
  struct candidate;

  long urgency(std::uint64_t id, steady_time now) const;
  void take_out(std::uint64_t id, const queue_place& p);
  void forget_idle();

  std::chrono::nanoseconds ageing_;
  std::unordered_map<std::uint64_t, queue_place> places_;
  std::map<std::string, tenant> tenants_;
  std::map<int, std::size_t> priorities_; ///< of those that wait, and how many
  double cost_ = 0;                       ///< of all that wait
  double virtual_time_ = 0;
};

} // namespace troupe
