#include "runtime/core/task.hpp"

namespace troupe::detail {

void branch::run() {
  while (next)
    std::exchange(next, {}).resume();
}

void branch::destroy() noexcept {
  next = {};
  // Leaf first: destroying the outermost frame would recurse through all of them, and a chain may
  // be deeper than the stack.
  while (leaf != nullptr) {
    auto* frame = leaf;
    leaf = frame->caller;
    if (frame->owner != nullptr)
      *frame->owner = {};
    frame->self.destroy();
  }
}

void run_branch(branch* b) {
  while (b != nullptr) {
    b->run();
    if (!b->finished() || b->group == nullptr)
      return;
    b = b->group->on_end(*b);
  }
}

} // namespace troupe::detail
