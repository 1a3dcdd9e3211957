#pragma once
// Invocations that wait for room in their agent: first come, first served for each tenant, and the
// tenants by turns, by their shares.
//
// One tenant's thousand at once must not make another's one wait for all of them. Start-time fair
// queuing, as at models (actors/guard/fair_queue.hpp), but without priorities, ageing and agents. Where all
// have one tenant it is a plain queue. Pure logic; a turn costs the logarithm of the tenants that wait.

#include "runtime/journal/entry.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace troupe {

class tenant_queue {
public:
  /// @param share of its tenant; above 0
  void push(journal::invocation_no no, const std::string& tenant, double share = 1);

  /// Whose turn it is, who is out then. Not for an empty one.
  journal::invocation_no pop();

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  void clear();

private:
  struct line {
    std::deque<journal::invocation_no> waiting;
    double share = 1;
    double finish = 0; ///< virtual time at which its share up to now is used up
  };
  std::map<std::string, line> lines_;
  std::set<std::pair<double, std::string>> order_; ///< those with somebody in them
  std::set<std::pair<double, std::string>> idle_;  ///< empty, with more than their share had
  double now_ = 0;                                 ///< virtual: start of the last turn
  std::size_t size_ = 0;
};

} // namespace troupe
