#include "actors/llm/stream_fan.hpp"

#include <algorithm>

namespace troupe::detail {

void stream_fan::add(stream_kind what, std::string_view text, std::size_t call) {
  if (!shared_)
    return first_.add(what, text, call);
  std::lock_guard lock{mutex_};
  keep(what, text, call);
  first_.add(what, text, call);
  for (const auto& one : others_)
    one.to.add(what, text, call);
}

void stream_fan::keep(stream_kind what, std::string_view text, std::size_t call) {
  bytes_ += text.size();
  if (bytes_ > so_far_max) {
    so_far_.clear();
    return;
  }
  if (so_far_.empty() || so_far_.back().what != what || so_far_.back().call != call)
    so_far_.push_back({what, call, {}});
  so_far_.back().text += text;
}

void stream_fan::join(const stream_place& who, const std::function<stream_writer()>& begin) {
  std::lock_guard lock{mutex_};
  if (!shared_ || bytes_ > so_far_max)
    return;
  joined one{who, begin()};
  for (const auto& s : so_far_)
    one.to.add(s.what, s.text, s.call);
  others_.push_back(std::move(one));
}

void stream_fan::leave(const stream_place& who) {
  std::lock_guard lock{mutex_};
  for (const auto& one : others_)
    if (one.who == who)
      one.to.close();
  std::erase_if(others_, [&](const joined& one) { return one.who == who; });
}

bool stream_fan::seen() const {
  if (first_.seen())
    return true;
  std::lock_guard lock{mutex_};
  return std::ranges::any_of(others_, [](const joined& one) { return one.to.seen(); });
}

void stream_fan::close() const {
  first_.close();
  std::lock_guard lock{mutex_};
  for (const auto& one : others_)
    one.to.close();
}

} // namespace troupe::detail
