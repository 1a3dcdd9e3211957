#include "runtime/core/combine.hpp"

#include <fmt/format.h>

namespace troupe::detail {

branch& branch_set::open(branch& parent, std::uint32_t seq, std::uint32_t index) {
  auto path = parent.path().empty() ? fmt::format("{}.{}", seq, index)
                                    : fmt::format("{}.{}.{}", parent.path(), seq, index);
  auto& b = *branches_.emplace_back(std::make_unique<branch>(parent.ctx(), std::move(path)));
  b.group = this;
  b.index = index;
  return b;
}

bool branch_set::start(branch& parent) {
  parent_ = &parent;
  starting_ = true;
  // A race that the first alternative wins at once must not start the second one's effects.
  for (std::size_t i = 0; i < branches_.size() && !satisfied(); ++i)
    run_branch(branches_[i].get());
  starting_ = false;
  return branches_.empty() || satisfied();
}

branch* branch_set::on_end(branch& ended) {
  if (ended_++ == 0)
    winner_ = ended.index;
  // While starting, the awaiting frame is not suspended yet: `start` tells it instead.
  if (starting_ || !satisfied() || (need_ == need::first && ended_ > 1))
    return nullptr;
  parent_->next = parent_->leaf->self;
  return parent_;
}

void branch_set::close() noexcept {
  branches_.clear();
}

} // namespace troupe::detail
