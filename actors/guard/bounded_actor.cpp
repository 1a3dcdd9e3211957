#include "actors/guard/bounded_actor.hpp"

#include "runtime/core/call.hpp"

#include <caf/make_message.hpp>
#include <caf/sec.hpp>

namespace troupe {
namespace {

/// How long a refused caller should stay away: the actor takes thousands of messages in that time.
constexpr std::chrono::milliseconds come_back{100};

/// What the sender of `request` understands as "overloaded".
caf::message refusal(const caf::mailbox_element& request) {
  const auto& content = request.content();
  if (content.match_elements<call_request>()) {
    call_reply reply;
    error why{errc::overloaded, "its mailbox is full"};
    why.retry_after = come_back;
    reply.outcome = std::move(why);
    return caf::make_message(std::move(reply));
  }
  return caf::make_message(caf::make_error(caf::sec::runtime_error));
}

/// A refused `reconcile_request` would park an invocation until a person comes, and there is at
/// most one of them for each call that came through before.
bool counted(const caf::mailbox_element& element) {
  return element.mid.is_request() && !element.content().match_elements<reconcile_request>();
}

} // namespace

void bounded_actor::enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) {
  if (!counted(*element)) {
    caf::event_based_actor::enqueue(std::move(element), unit);
    return;
  }
  if (waiting_.fetch_add(1, std::memory_order_relaxed) < mailbox_max_) {
    caf::event_based_actor::enqueue(std::move(element), unit);
    return;
  }
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  if (element->sender)
    element->sender->enqueue(ctrl(), element->mid.response_id(), refusal(*element), unit);
}

caf::invoke_message_result bounded_actor::consume(caf::mailbox_element& element) {
  if (counted(element))
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  return caf::event_based_actor::consume(element);
}

} // namespace troupe
