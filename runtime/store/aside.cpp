#include "runtime/store/aside.hpp"

#include <array>

namespace troupe::store {

std::string_view to_string(claim_state s) noexcept {
  static constexpr std::array<std::string_view, 3> names{"in_flight", "completed", "unknown"};
  return names[static_cast<std::size_t>(s) % names.size()];
}

std::string_view to_string(letter_kind k) noexcept {
  static constexpr std::array<std::string_view, 3> names{"poisoned", "expired", "quarantined"};
  return names[static_cast<std::size_t>(k) % names.size()];
}

bool settle(claim& c, const settlement& s, bool& keep) {
  bool own = c.owner == s.by;
  bool done = c.state == claim_state::completed;
  keep = true;
  switch (s.how) {
  case settling::completed:
    if (done)
      return false;
    c.state = claim_state::completed;
    c.owner = s.by;
    c.answer = s.answer;
    c.expires = s.expires;
    return true;
  case settling::parked:
  case settling::unknown:
    if (!own || done)
      return false;
    c.state = claim_state::unknown;
    if (s.how == settling::unknown)
      c.owner = {};
    return true;
  case settling::freed:
    keep = !own || done;
    return !keep;
  case settling::undone:
    keep = !own || !done;
    return !keep;
  }
  return false;
}

} // namespace troupe::store
