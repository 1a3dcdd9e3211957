#include "actors/llm/streamed_answer.hpp"

namespace troupe {

streamed_answer::streamed_answer(const model_wire& wire,
                                 std::function<void(const model_delta&)> on_delta)
  : wire_(wire), on_delta_(std::move(on_delta)), stream_(wire.stream()) {}

bool streamed_answer::add(std::string_view piece) {
  if (why_)
    return false;
  if (!streams_)
    unstreamed_ += piece;
  events_.clear();
  auto fed = parser_.feed(piece, events_);
  for (const auto& e : events_) {
    if (stream_->complete())
      return true; // what follows the end is no part of the answer
    if (e.data.empty())
      continue;
    streams_ = true;
    unstreamed_.clear();
    if (auto added = stream_->add(e.type, e.data, on_delta_); !added) {
      why_ = std::move(added).error();
      return false;
    }
  }
  if (!fed && !stream_->complete())
    why_ = std::move(fed).error();
  return !why_;
}

result<model_answer> streamed_answer::finish(net::http_response response, utc_time now) && {
  if (why_)
    return std::move(*why_);
  if (streams_)
    return std::move(*stream_).finish();
  response.body += unstreamed_;
  return wire_.read(response, now);
}

} // namespace troupe
