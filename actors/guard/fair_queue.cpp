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
  t.weight = place.tenant_weight;
  // Who was away gets no credit for it: shares count from now.
  if (t.waiting++ == 0)
    t.finish = std::max(t.finish, virtual_time_);
  auto& f = t.flows[{place.agent, place.priority}];
  if (f.waiting.empty())
    f.finish = std::max(f.finish, t.virtual_time);
  f.weight = place.weight;
  f.waiting.push_back(id);
  f.cost += place.cost;
  cost_ += place.cost;
  ++priorities_[place.priority];
  places_.emplace(id, std::move(place));
}

long fair_queue::urgency(std::uint64_t id, steady_time now) const {
  const auto& p = places_.at(id);
  long aged = ageing_.count() > 0 ? static_cast<long>((now - p.since) / ageing_) : 0;
  return std::min<long>(p.priority + std::max(aged, 0L), priorities_.rbegin()->first);
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

// While the newcomer's own flow is served, each other one gets its share or all that it has.
double fair_queue::ahead(const queue_place& p) const {
  if (cost_ <= 0)
    return 0;
  double own = p.cost;
  double before = 0; // whatever the shares
  if (auto t = tenants_.find(p.tenant); t != tenants_.end())
    if (auto f = t->second.flows.find({p.agent, p.priority}); f != t->second.flows.end())
      own += f->second.cost;
  auto of_tenant = [&](const tenant& t, auto&& take) {
    double sum = 0;
    for (const auto& [key, f] : t.flows) {
      if (key.second > p.priority)
        before += f.cost;
      else if (key.second == p.priority)
        sum += take(key.first, f);
    }
    return sum;
  };
  auto all = own;
  if (auto t = tenants_.find(p.tenant); t != tenants_.end())
    all += of_tenant(t->second, [&](const std::string& agent, const flow& f) {
      return agent == p.agent ? 0.0 : std::min(f.cost, share(own, p.weight) * f.weight);
    });
  double others = 0;
  for (const auto& [name, t] : tenants_)
    if (name != p.tenant)
      others += std::min(of_tenant(t, [](const std::string&, const flow& f) { return f.cost; }),
                         share(all, p.tenant_weight) * t.weight);
  return std::clamp((all - p.cost + others + before) / cost_, 0.0, 1.0);
}

std::optional<std::uint64_t> fair_queue::to_shed(const queue_place& p) const {
  auto much = [](std::size_t n, double weight) { return share(static_cast<double>(n), weight); };
  auto mine = tenants_.find(p.tenant);
  auto most = much(mine == tenants_.end() ? 1 : mine->second.waiting + 1, p.tenant_weight);
  const auto* from = mine == tenants_.end() ? nullptr : &mine->second;
  for (const auto& [name, t] : tenants_)
    if (name != p.tenant && much(t.waiting, t.weight) > most) {
      most = much(t.waiting, t.weight);
      from = &t;
    }
  if (from == nullptr)
    return std::nullopt;
  bool own = mine != tenants_.end() && from == &mine->second;
  std::size_t of_agent = 1;
  for (const auto& [key, f] : from->flows)
    if (own && key.first == p.agent)
      of_agent += f.waiting.size();
  double least = own ? much(of_agent, p.weight) : 0;
  const flow* longest = nullptr;
  for (const auto& [key, f] : from->flows)
    if (!(own && key.first == p.agent) && much(f.waiting.size(), f.weight) > least) {
      least = much(f.waiting.size(), f.weight);
      longest = &f;
    }
  return longest ? std::optional{longest->waiting.back()} : std::nullopt;
}

void fair_queue::take_out(std::uint64_t id, const queue_place& p) {
  auto& t = tenants_[p.tenant];
  auto& f = t.flows[{p.agent, p.priority}];
  f.waiting.erase(std::find(f.waiting.begin(), f.waiting.end(), id));
  f.cost = f.waiting.empty() ? 0 : f.cost - p.cost;
  cost_ = std::max(cost_ - p.cost, 0.0);
  if (auto n = priorities_.find(p.priority); --n->second == 0)
    priorities_.erase(n);
  places_.erase(id);
  forget_idle();
}

// A flow that is idle and has no share to pay off any more is as good as a new one; so are all when
// nobody waits.
void fair_queue::forget_idle() {
  if (places_.empty()) {
    tenants_.clear();
    cost_ = 0;
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
