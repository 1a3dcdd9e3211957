#include "actors/supervision/dead_letters.hpp"

namespace troupe {

bool dead_letters::died(const std::string& key) {
  auto [i, first] = deaths_.try_emplace(key, 0);
  auto count = ++i->second;
  if (first)
    order_.push_back(key);
  if (order_.size() > remembered_max) {
    deaths_.erase(order_.front());
    order_.pop_front();
  }
  return count == deaths_max;
}

void dead_letters::hold(const std::string& key) {
  while (!holds(key))
    (void)died(key);
}

void dead_letters::forgive(const std::string& key) {
  deaths_.erase(key);
  std::erase(order_, key);
}

bool dead_letters::holds(const std::string& key) const {
  auto i = deaths_.find(key);
  return i != deaths_.end() && i->second >= deaths_max;
}

std::vector<dead_letters::letter> dead_letters::all() const {
  std::vector<letter> out;
  out.reserve(order_.size());
  for (const auto& key : order_)
    out.push_back({key, deaths_.at(key)});
  return out;
}

void dead_letters::restore(const std::vector<letter>& letters) {
  deaths_.clear();
  order_.clear();
  for (const auto& one : letters)
    if (order_.size() < remembered_max && deaths_.emplace(one.key, one.deaths).second)
      order_.push_back(one.key);
}

} // namespace troupe
