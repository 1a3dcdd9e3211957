#include "actors/flow/tenant_queue.hpp"

#include <algorithm>

namespace troupe {

void tenant_queue::push(journal::invocation_no no, const std::string& tenant, double share) {
  auto& l = lines_[tenant];
  l.share = std::max(share, 1e-9);
  if (l.waiting.empty()) {
    idle_.erase({l.finish, tenant});
    l.finish = std::max(l.finish, now_); // who was away gets no credit for it
    order_.emplace(l.finish, tenant);
  }
  l.waiting.push_back(no);
  ++size_;
}

journal::invocation_no tenant_queue::pop() {
  auto first = order_.extract(order_.begin());
  auto& l = lines_.at(first.value().second);
  now_ = l.finish;
  l.finish += 1 / l.share;
  auto no = l.waiting.front();
  l.waiting.pop_front();
  first.value().first = l.finish;
  (l.waiting.empty() ? idle_ : order_).insert(std::move(first));
  if (--size_ == 0)
    clear();
  while (!idle_.empty() && idle_.begin()->first <= now_) { // has paid off what it had
    lines_.erase(idle_.begin()->second);
    idle_.erase(idle_.begin());
  }
  return no;
}

void tenant_queue::clear() {
  lines_.clear();
  order_.clear();
  idle_.clear();
  now_ = 0;
  size_ = 0;
}

} // namespace troupe
