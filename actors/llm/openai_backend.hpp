#pragma once
// A model behind the Chat Completions API: OpenAI's own, or any server that speaks it.
//
// One request is one POST, not streamed. When a server refuses a part of it that can be said
// otherwise (a schema as `response_format`, `max_tokens`, `temperature`), it is sent again without,
// and the server is remembered: see `openai_dialect`. That is no retry: a 400 has done nothing.
//
// The key is in the Authorization header and nowhere else, not in what a server says of it either.

#include "actors/llm/llm_options.hpp"
#include "actors/llm/model_backend.hpp"
#include "runtime/core/clock.hpp"
#include "runtime/net/http_transport.hpp"

#include <memory>

namespace troupe {

class openai_backend final : public model_backend {
public:
  /// A backend keeps its socket this much longer than the endpoint waits, so that the endpoint says
  /// that it took too long, on its own clock.
  static constexpr std::chrono::milliseconds timeout_margin{1'000};

  openai_backend(const endpoint_options& options, const time_source& clock,
                 std::shared_ptr<net::http_transport> transport);
  /// Cancels what is in flight; its callbacks may still come, on the transport's thread.
  ~openai_backend() override;
  openai_backend(const openai_backend&) = delete;
  openai_backend& operator=(const openai_backend&) = delete;

  model_request_id start(const model_request& request, model_done done) override;
  void cancel(model_request_id id) override;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace troupe
