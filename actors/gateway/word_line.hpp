#pragma once
// The line to one client of a stream: what goes out on it, and in which form. Private to this room.
//
// Words go from the thread on which a model's piece came straight to the I/O thread. By way of the
// helper's actor they waited for a worker of the scheduler, behind lists and journals that others
// asked for: milliseconds, on a busy machine, for a piece of some microseconds.
//
// Threads: any, under its mutex, which is held for no longer than it takes to write some words into
// a buffer.

#include "actors/gateway/completions.hpp"
#include "actors/gateway/rest_world.hpp"
#include "runtime/core/stream_hub.hpp"

#include <memory>
#include <mutex>

namespace troupe::gateway {

enum class line_state : std::uint8_t {
  open,
  behind, ///< its client reads too slowly: words wait in their ring
  ended,  ///< the client has gone, or what it follows is told
};

struct word_line : std::enable_shared_from_this<word_line> {
  /// Invocations below the one that is followed, with theirs; those after them are left out.
  static constexpr std::size_t children_max = 64;
  struct child {
    stream_child who;
    stream_reader words;
  };

  /// Bytes that a client has not taken: past it, words wait in their ring, where the oldest make
  /// room, until it has caught up. Far below what would have it dropped.
  static constexpr std::size_t behind_max = std::size_t{64} << 10;

  std::mutex mutex; ///< of all that follows
  answer_slot out;
  stream_reader words{};
  std::unique_ptr<completion_stream> speaks{}; ///< in the form of Chat Completions
  bool closed = false;
  stream_hub* hub = nullptr;     ///< where the words of children are asked for
  std::vector<child> children{}; ///< theirs have the marks of their invocation and agent
  std::function<void()> otherwise{};

  /// Under the mutex: writes what has come.
  ///
  /// @param last also where the client is behind
  line_state send(bool last);
  /// What the hub calls for new words: writes them; `otherwise` where that takes more than writing.
  std::function<void()> writer();

private:
  void find_children();
};

} // namespace troupe::gateway
