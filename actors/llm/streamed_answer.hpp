#pragma once
// The pieces of one streamed answer, from bytes to `model_answer`. Private to this folder.

#include "actors/llm/model_wire.hpp"
#include "runtime/net/sse_parser.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// Not thread-safe: bytes come one after the other.
class streamed_answer {
public:
  streamed_answer(const model_wire& wire, std::function<void(const model_delta&)> on_delta);

  /// Takes a piece of the body. False once nothing more is of use: after an error.
  bool add(std::string_view piece);

  /// All has come, though the connection may still be open.
  bool complete() const { return !why_ && stream_->complete(); }

  /// At the end of the body.
  ///
  /// @param response its status and headers, for a server that did not stream
  result<model_answer> finish(net::http_response response, utc_time now) &&;

  /// What made `add` return false.
  const std::optional<error>& why() const noexcept { return why_; }

private:
  const model_wire& wire_;
  std::function<void(const model_delta&)> on_delta_;
  std::unique_ptr<answer_stream> stream_;
  net::sse_parser parser_;
  std::vector<net::sse_event> events_;
  std::string unstreamed_; ///< all there was, as long as no event was among it
  bool streams_ = false;
  std::optional<error> why_;
};

} // namespace troupe
