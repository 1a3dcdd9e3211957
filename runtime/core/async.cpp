#include "runtime/core/async.hpp"

namespace troupe {

void scope::spawn(async<void> a) {
  auto id = next_id_++;
  auto& slot = running_[id];
  slot = std::unique_ptr<running>(new running{{}, std::move(a)});
  auto& r = *slot;
  r.driver.home = this;
  r.driver.id = id;
  r.root.start_on(r.driver, nullptr);
  run(r);
}

void scope::resume(std::uint64_t id) {
  auto i = running_.find(id);
  if (i == running_.end())
    return;
  auto& r = *i->second;
  if (r.driver.leaf != nullptr)
    r.driver.next = r.driver.leaf->self;
  run(r);
}

void scope::run(running& r) {
  auto id = r.driver.id;
  while (r.driver.next)
    std::exchange(r.driver.next, {}).resume();
  if (!r.driver.finished)
    return;
  auto thrown = r.root.promise().thrown;
  running_.erase(id);
  if (!thrown)
    return;
  if (on_throw)
    on_throw(thrown);
  else
    std::rethrow_exception(thrown);
}

void scope::clear() noexcept {
  auto all = std::move(running_);
  running_.clear();
  for (auto& [_, r] : all) {
    // Leaf first, as for tasks: a chain may be deeper than the stack.
    auto* leaf = r->driver.leaf;
    while (leaf != nullptr) {
      auto* frame = leaf;
      leaf = frame->caller;
      if (frame->owner != nullptr)
        *frame->owner = {};
      frame->self.destroy();
    }
  }
}

error detail::request_failed(const caf::error& why) {
  if (why == caf::sec::request_timeout)
    return error{errc::timed_out, "no answer within its time", certainty::unknown};
  if (why == caf::sec::request_receiver_down)
    return error{errc::unavailable, "the actor is down"};
  return error{errc::unavailable, "the actor refused the request"};
}

} // namespace troupe
