#pragma once
// A model that reads its answers from a script (script.hpp): offline, free, and the same every
// time.
//
// What is answered is decided when a request starts, so it follows from the order of requests
// alone. Latency passes on the troupe's timer, so that it is virtual where time is, and is drawn
// from its random source. Faults come by count: each n-th request, the first fault that is due
// wins. A fault uses up no `times` and nothing of the sequence, so the retry gets what it would
// have got.

#include "actors/llm/model_backend.hpp"
#include "actors/llm/script.hpp"
#include "runtime/core/env.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

class scripted_backend final : public model_backend {
public:
  /// @param timer takes `arm_timer`
  scripted_backend(caf::actor_system& system, const environment& env, caf::actor timer,
                   model_script script);
  /// What is in flight ends with `shutting_down`.
  ~scripted_backend() override;
  scripted_backend(const scripted_backend&) = delete;
  scripted_backend& operator=(const scripted_backend&) = delete;

  model_request_id start(const model_request& request, model_done done) override;
  void cancel(model_request_id id) override;

  /// Requests so far.
  std::uint64_t requests() const;

private:
  const script_fault* fault_due() const;
  std::pair<const script_answer*, std::uint64_t*> choose(const model_request& request);
  result<model_answer> answer(const model_request& request);
  std::chrono::milliseconds latency();

  const environment& env_;
  model_script script_;
  caf::actor player_; ///< holds answers back until their latency has passed
  mutable std::mutex mutex_;
  std::uint64_t requests_ = 0;
  std::uint64_t sequence_at_ = 0;
  std::vector<std::uint64_t> matched_; ///< per rule
};

} // namespace troupe
