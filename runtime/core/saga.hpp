#pragma once
// A transaction over several services: what was done is undone when the rest fails.
//
//   saga trip;
//   auto flight = co_await trip.step(tool("book_flight").arg("to", city).call<booking>(),
//                                    tool("cancel_flight").arg("to", city));
//   if (!flight)
//     co_return co_await trip.fail<itinerary>(flight.error());
//   auto hotel = co_await trip.step(tool("book_hotel")..., tool("cancel_hotel")...);
//   if (!hotel)
//     co_return co_await trip.fail<itinerary>(hotel.error()); // cancels the flight
//
// The problem: no transaction spans three web services, and a program that undoes by hand dies in
// the middle of it, or forgets the step whose answer was lost. Here undoing is a part of the
// invocation like any other: each compensation is an effect in the journal, begun again after a
// crash, repeated under one key until it succeeds. One that cannot be made parks the invocation:
// `troupe show` says what stands and what was undone, `troupe resolve` settles it.
//
// A compensation is asked to undo what *may* have happened: a step without an answer (cancelled,
// lost in a race, timed out) counts as done. It must take "there is nothing" for success; a tool
// that answers `not_found` for such a step is understood.
//
// Lifecycle: a local of the agent's `run`, made before the first step; nothing happens in its
// destructor. Threads: of its invocation.

#include "runtime/core/effects.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct saga_options {
  /// How often a compensation is sent, each time with all retries of its tool, before a person is
  /// asked. 6 with these pauses: half a minute.
  std::uint32_t attempts_max = 6;
  /// The first pause between two of them; it doubles up to the longest.
  std::chrono::milliseconds backoff_min{1'000};
  std::chrono::milliseconds backoff_max{300'000};
};

/// How a step is undone: by a tool, or by a child agent. Its key is the step's with `/undo`.
class compensation {
public:
  compensation(tool_call call); // NOLINT: `step(forward, tool(..))` is what one writes
  /// By an agent, for what takes more than one call.
  template <class In>
  static compensation by_agent(std::string_view agent, const In& input) {
    return compensation{journal::effect_kind::invoke, std::string{agent}, to_json(input)};
  }

private:
  friend class saga;
  compensation(journal::effect_kind kind, std::string name, std::string body)
    : kind_(kind), name_(std::move(name)), body_(std::move(body)) {}

  journal::effect_kind kind_;
  std::string name_;
  std::string body_;
};

class saga {
public:
  explicit saga(saga_options options = {}) : options_(options) {}
  saga(const saga&) = delete;
  saga& operator=(const saga&) = delete;

  /// The effect `forward` as a step, undone by `undo`. Await what it returns.
  template <detail::journaled Effect>
  Effect step(Effect forward, compensation undo) {
    forward.saga_ = std::make_unique<detail::saga_part>(
      detail::saga_part{add(forward.name(), std::move(undo)), false, false, {}});
    return forward;
  }

  /// Undoes all that was done or may have been, the last step first.
  task<unit> undo();

  /// The same, and fails with `why`: `co_return co_await s.fail<T>(why)`.
  template <class T>
  task<T> fail(error why) {
    auto undone = co_await undo();
    if (!undone)
      co_return std::move(undone).error();
    co_return why;
  }

  /// Undoes only the steps whose outcome nobody knows: those that lost a race or timed out while
  /// the saga got to its end another way. For the good end.
  task<unit> close();

private:
  class undo_effect;
  class undo_pause;
  struct entry {
    compensation by;
    std::shared_ptr<detail::saga_step> step;
  };

  std::shared_ptr<detail::saga_step> add(std::string name, compensation undo);
  task<unit> undo_those(bool all);
  bool ends_undo(const entry& e, const result<raw_json>& outcome) const;
  std::vector<std::size_t> to_undo(bool all) const;
  undo_effect attempt_at(const entry& e, bool last) const;
  undo_pause pause_after(const entry& e, std::uint32_t attempt) const;
  std::string account() const;

  saga_options options_;
  std::vector<entry> entries_;
};

} // namespace troupe
