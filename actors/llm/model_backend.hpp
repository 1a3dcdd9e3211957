#pragma once
// What stands between an endpoint and a model: one question, one answer.
//
// The endpoint knows queues, retries, deadlines and schemas; a backend knows how one request
// reaches one kind of model. It never retries, so that exactly one layer does.
//
//     auto id = backend.start(request, [](result<model_answer> a) { .. });
//     backend.cancel(id);
//
// Errors, in the words of `errc`:
//   unavailable       not reached, 5xx, an answer that cannot be read    repeat it
//   rate_limited      429, with `retry_after` where the far side says    repeat it, later
//   timed_out         no complete answer in time                         repeat it
//   budget_exceeded   the account's quota is spent                       pay
//   invalid_input     refused as it stands, or longer than the context   change it
//   output_too_large  the answer was cut at its limit of tokens          allow more
//   failed            refused by the model, the filter or the key        a person looks
//   cancelled

#include "actors/llm/model_types.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <functional>

namespace troupe {

/// Names one request in flight, unique within its backend.
using model_request_id = std::uint64_t;

/// Called exactly once, on any thread, possibly before `start` returns. Must not block or throw.
using model_done = std::function<void(result<model_answer>)>;

/// Thread-safe. Outlives the endpoints that use it one after the other; its destructor ends what is
/// in flight.
class model_backend {
public:
  virtual ~model_backend() = default;

  virtual model_request_id start(const model_request& request, model_done done) = 0;

  /// Stops a request: its `done` gets `cancelled`. Nothing happens when it has ended already.
  virtual void cancel(model_request_id id) = 0;
};

} // namespace troupe
