#pragma once
// An answer that is streamed to whoever follows its invocation. Private to this folder.
//
// A stream breaks in ways that a whole answer does not: its first piece is late, or a piece in the
// middle never comes. Both are told from the pieces alone, which arrive on the backend's thread;
// the endpoint's actor only looks at the clock when something could be overdue, so a piece costs it
// no message.
//
//     c.live.begin(c.question, left);               // before each attempt
//     co_await waits.wait(c, c.live.look_at(until)) // again while look_at is later than now
//     c.live.end();                                 // the attempt is over, however
//
// Threads: the actor's; the pieces come on any.

#include "actors/llm/llm_options.hpp"
#include "actors/llm/model_backend.hpp"
#include "actors/llm/stream_fan.hpp"
#include "runtime/core/call.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/stream_hub.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace troupe::detail {

/// Tokens of an attempt that was not heard to its end: four characters each.
struct tokens_heard {
  std::int64_t input = 0;
  std::int64_t output = 0;
};

class live_answer {
public:
  live_answer() = default;
  ~live_answer() { end(); }
  live_answer(const live_answer&) = delete;
  live_answer& operator=(const live_answer&) = delete;

  /// What the call asks for. `env` and `options` outlive it.
  ///
  /// @returns `errc::invalid_input` where the call's options cannot be read
  result<void> read(const call_request& r, const environment& env, const endpoint_options& options);

  /// False where the answer is given in one piece; all that follows is idle then.
  bool streams() const noexcept { return streams_; }

  /// Other calls may want the same answer: they `join`.
  void share() noexcept { shared_ = true; }
  /// `other` is spoken to as well, from the beginning; where it comes too late for that, or this is
  /// not streamed, its followers get the whole text at the end. Until it leaves.
  void join(const live_answer& other);
  void leave(const live_answer& other);

  /// The next attempt begins: `question` gets where its pieces go.
  void begin(model_request& question, std::chrono::milliseconds left);
  /// When the next piece is overdue, at most `until`.
  utc_time look_at(utc_time until) const;
  /// Which piece is overdue now.
  std::optional<error> overdue() const;
  bool late_first() const;
  bool stalled() const;
  /// No piece of this attempt is taken any more; its socket may still be closing.
  void end();

  /// A piece of this attempt has come.
  bool speaks() const;
  /// A follower has read a piece: starting anew would be seen.
  bool passed_on() const;
  /// The same of whoever spoke last on this stream, as a model that stood in.
  bool read_by_others() const;
  /// How long the model took, as its breaker sees it: to the first piece.
  std::chrono::nanoseconds measured(std::chrono::nanoseconds took) const;
  /// Of this attempt so far; nothing where no piece has come.
  std::optional<tokens_heard> heard() const;
  /// Adds what is known of the stream to the event of an attempt.
  void describe(event& e, const error* why) const;

private:
  struct pieces;
  const environment* env_ = nullptr;
  const endpoint_options* options_ = nullptr;
  stream_place place_;
  std::vector<stream_place> others_; ///< of calls that joined, at most as many as the endpoint has
  std::shared_ptr<pieces> now_;
  std::size_t asked_ = 0; ///< characters of the question
  bool streams_ = false;
  bool shared_ = false;
};

} // namespace troupe::detail
