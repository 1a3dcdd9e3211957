#pragma once
// A model behind an HTTP API: one request is one POST.
//
// Which API it is, its model_wire says. A request with an `on_delta` is streamed; a server that
// answers in one piece all the same is understood too. When a server refuses a part of a request
// that can be said otherwise (a schema, `max_tokens`, `temperature`), it is sent again without, and
// the server is remembered: see `wire_dialect`; each is an event `llm.dialect`. That is no retry: a
// 400 has done nothing.
//
// The key is in a header and nowhere else, not in what a server says of it either.

#include "actors/llm/llm_options.hpp"
#include "actors/llm/model_backend.hpp"
#include "actors/llm/model_wire.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/net/http_transport.hpp"
#include "runtime/telemetry/events.hpp"

#include <memory>

namespace troupe {

/// What an endpoint of this kind speaks; null where that is not HTTP.
std::unique_ptr<model_wire> make_model_wire(endpoint_kind kind);

class wire_backend final : public model_backend {
public:
  /// A backend keeps its socket this much longer than the endpoint waits, so that the endpoint says
  /// that it took too long, on its own clock.
  static constexpr std::chrono::milliseconds timeout_margin{1'000};

  wire_backend(const endpoint_options& options, std::unique_ptr<model_wire> wire,
               const time_source& clock, event_sink& events,
               std::shared_ptr<net::http_transport> transport);
  /// Cancels what is in flight; its callbacks may still come, on the transport's thread.
  ~wire_backend() override;
  wire_backend(const wire_backend&) = delete;
  wire_backend& operator=(const wire_backend&) = delete;

  model_request_id start(const model_request& request, model_done done) override;
  void cancel(model_request_id id) override;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace troupe
