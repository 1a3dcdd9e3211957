#include "tests/kit/expect.hpp"

#include <fmt/format.h>

namespace troupe::kit {
namespace {

/// `invocation#12` is an `invocation`; a service has its name alone.
bool is(std::string_view wanted, std::string_view who) {
  return wanted.empty() || who == wanted
         || (who.starts_with(wanted) && who.substr(wanted.size()).starts_with('#'));
}

} // namespace

bool message_pattern::fits(std::string_view from, std::string_view to,
                           const caf::type_erased_tuple& what) const {
  return is(from_, from) && is(to_, to) && content_(what);
}

std::string message_pattern::describe() const {
  return fmt::format("a message {}{}{}", type_, from_.empty() ? "" : " from " + from_,
                     to_.empty() ? "" : " to " + to_);
}

bool event_pattern::fits(const event& e) const {
  return e.name == name_ && (who_.empty() || e.invocation == who_ || e.service == who_)
         && (result_.empty() || e.result == result_) && (!test_ || test_(e));
}

std::string event_pattern::describe() const {
  return fmt::format("an event {}{}{}", name_, who_.empty() ? "" : " of " + who_,
                     result_.empty() ? "" : " with the result " + result_);
}

} // namespace troupe::kit
