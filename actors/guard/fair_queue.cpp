#include "actors/guard/fair_queue.hpp"

#include <algorithm>
#include <tuple>

namespace troupe {
namespace {

double share(double cost, double weight) {
  return std::max(cost, 0.0) / std::max(weight, 1e-9);
}

} // namespace

/// Smaller goes first.
struct fair_queue::candidate {
  long less_urgent;
  double tenant_start;
  double flow_start;
  steady_time since;
  std::uint64_t id;

  bool operator<(const candidate& other) const {
    return std::tie(less_urgent, tenant_start, flow_start, since, id)
           < std::tie(other.less_urgent, other.tenant_start, other.flow_start, other.since,
                      other.id);
  }
};

void fair_queue::push(std::uint64_t id, queue_place place) {
  auto& t = tenants_[place.tenant];
  // Who was away gets no credit for it: shares count from now.
  if (t.waiting++ == 0)
    t.finish = std::max(t.finish, virtual_time_);
  auto& f = t.flows[{place.agent, place.priority}];
  if (f.waiting.empty())
    f.finish = std::max(f.finish, t.virtual_time);
  f.waiting.push_back(id);
  places_.emplace(id, std::move(place));
}

long fair_queue::urgency(std::uint64_t id, steady_time now) const {
  const auto& p = places_.at(id);
  long aged = ageing_.count() > 0 ? static_cast<long>((now - p.since) / ageing_) : 0;
  return p.priority + std::max(aged, 0L);
}

std::optional<std::uint64_t> fair_queue::front(steady_time now) const {
  std::optional<candidate> best;
  for (const auto& [_, t] : tenants_) {
    for (const auto& [key, f] : t.flows) {
      if (f.waiting.empty())
        continue;
      auto id = f.waiting.front();
      candidate c{-urgency(id, now), t.finish, f.finish, places_.at(id).since, id};
      if (!best || c < *best)
        best = c;
    }
  }
  return best ? std::optional{best->id} : std::nullopt;
}

void fair_queue::served(std::uint64_t id) {
  auto p = std::move(places_.at(id));
  auto& t = tenants_[p.tenant];
  auto& f = t.flows[{p.agent, p.priority}];
  virtual_time_ = std::max(virtual_time_, t.finish);
  t.virtual_time = std::max(t.virtual_time, f.finish);
  t.finish += share(p.cost, p.tenant_weight);
  f.finish += share(p.cost, p.weight);
  take_out(id, p);
}

void fair_queue::erase(std::uint64_t id) {
  auto i = places_.find(id);
  if (i == places_.end())
    return;
  auto p = std::move(i->second);
  take_out(id, p);
}

void fair_queue::take_out(std::uint64_t id, const queue_place& p) {
  auto& t = tenants_[p.tenant];
  auto& waiting = t.flows[{p.agent, p.priority}].waiting;
  waiting.erase(std::find(waiting.begin(), waiting.end(), id));
  --t.waiting;
  places_.erase(id);
  forget_idle();
}

// A flow that is idle and has no share to pay off any more is as good as a new one; so are all when
// nobody waits.
void fair_queue::forget_idle() {
  if (places_.empty()) {
    tenants_.clear();
    virtual_time_ = 0;
    return;
  }
  for (auto t = tenants_.begin(); t != tenants_.end();) {
    auto& flows = t->second.flows;
    std::erase_if(flows, [&](const auto& f) {
      return f.second.waiting.empty() && f.second.finish <= t->second.virtual_time;
    });
    bool idle = t->second.waiting == 0 && t->second.finish <= virtual_time_;
    t = idle ? tenants_.erase(t) : std::next(t);
  }
}

} // namespace troupe
