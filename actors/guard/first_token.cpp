#include "actors/guard/first_token.hpp"

namespace troupe {
namespace {

/// Before this many answers nothing is usual.
constexpr unsigned enough = 4;

/// Of a new value: some ten answers are what is now, and what is usual.
constexpr double newness = 0.1;

} // namespace

void first_token::heard(double seconds, bool light) {
  if (seconds <= 0)
    return;
  if (heard_ == 0)
    now_ = usual_ = seconds;
  now_ += newness * (seconds - now_);
  if (light || heard_ < enough)
    usual_ += newness * (seconds - usual_);
  if (heard_ < enough)
    ++heard_;
}

bool first_token::slow() const noexcept {
  return slow_at_ > 0 && heard_ >= enough && now_ > slow_at_ * usual_;
}

} // namespace troupe
