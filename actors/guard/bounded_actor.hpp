#pragma once
// An actor whose mailbox has an end.
//
// CAF's mailboxes grow without bound: a service that is slower than its callers eats the memory of
// the process before anybody hears of it. Requests above the cap are refused here, on the sender's
// thread, with an answer of the type that the sender waits for, so that it knows that nothing has
// happened and when to come back.
//
// Only requests are counted. Replies, exits, timers, `reconcile_request` and the actor's own
// messages pass, because there are never more of them than of the requests that caused them. Each
// request must be consumed when it comes up: no skipping.

#include <caf/event_based_actor.hpp>

#include <atomic>
#include <cstdint>

namespace troupe {

class bounded_actor : public caf::event_based_actor {
public:
  bounded_actor(caf::actor_config& cfg, std::uint32_t mailbox_max)
    : caf::event_based_actor(cfg), mailbox_max_(mailbox_max) {}

  using caf::event_based_actor::enqueue;
  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override;

  using caf::event_based_actor::consume;
  caf::invoke_message_result consume(caf::mailbox_element& element) override;

  /// Requests that wait in the mailbox.
  std::uint32_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

private:
  std::uint32_t mailbox_max_;
  std::atomic<std::uint32_t> waiting_{0};
};

} // namespace troupe
