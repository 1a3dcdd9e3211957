#include "actors/guard/fallback.hpp"

namespace troupe {

bool falls_back(const error& why, effect_class cls) noexcept {
  auto looks = cls == effect_class::pure || cls == effect_class::read;
  if (why.outcome == certainty::unknown && !looks)
    return false;
  switch (why.code) {
  case errc::timed_out:
  case errc::deadline_exceeded:
  case errc::unavailable:
  case errc::overloaded:
  case errc::circuit_open:
  case errc::rate_limited:
  case errc::schema_mismatch:
  case errc::internal:
    return true;
  default:
    return false;
  }
}

void answer_cache::put(std::string_view arguments, std::string_view value, steady_time now) {
  if (auto found = by_arguments_.find(arguments); found != by_arguments_.end())
    drop(found->second);
  if (arguments.size() + value.size() > bytes_max_)
    return;
  entries_.push_front({std::string{arguments}, std::string{value}, now});
  by_arguments_.emplace(entries_.front().arguments, entries_.begin());
  bytes_ += entries_.front().bytes();
  while (bytes_ > bytes_max_ || entries_.size() > answers_max_)
    drop(std::prev(entries_.end()));
}

std::optional<answer_cache::answer>
answer_cache::find(std::string_view arguments, std::chrono::milliseconds age_max, steady_time now) {
  auto found = by_arguments_.find(arguments);
  if (found == by_arguments_.end())
    return std::nullopt;
  auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - found->second->since);
  if (age > age_max)
    return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return answer{found->second->value, age};
}

void answer_cache::drop(std::list<entry>::iterator which) {
  bytes_ -= which->bytes();
  by_arguments_.erase(which->arguments);
  entries_.erase(which);
}

} // namespace troupe
