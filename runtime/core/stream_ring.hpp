#pragma once
// What stream_hub is made of. Private to this folder.

#include "runtime/core/stream_hub.hpp"

#include <deque>
#include <map>
#include <mutex>

namespace troupe::detail {

/// One stream: the answers to one effect, one attempt after the other.
struct stream_state {
  std::string name;
  std::uint32_t attempt = 0;
  std::uint32_t seq = 0;    ///< of the next piece
  std::uint64_t first = 0;  ///< number of the attempt's first piece
  bool spoke = false;       ///< there is such a piece
  bool open = false;        ///< the attempt takes pieces
  bool ended = false;
};

struct ring_chunk {
  std::shared_ptr<stream_state> of;
  stream_kind what = stream_kind::text;
  std::uint32_t attempt = 0;
  std::uint32_t seq = 0;
  std::string text; ///< of `end`: the whole text
  std::size_t call = 0;
  std::string failure{}; ///< of `end`
  bool whole = true;     ///< of `end`
  bool void_ = false;    ///< counts no more, and keeps its number
};

/// How far a reader is with one stream.
struct stream_progress {
  std::uint32_t attempt = 0;
  std::uint32_t seq = 0;
  std::size_t bytes = 0; ///< of text
  bool began = false;    ///< it was given a piece
  bool lost = false;     ///< it missed one
  bool ended = false;
};

struct ring_reader {
  std::uint64_t next = 0;
  bool told = false;
  std::shared_ptr<const std::function<void()>> notify;
  std::map<std::shared_ptr<stream_state>, stream_progress> streams{};
};

/// All of one invocation. Its functions are called under its mutex.
struct stream_ring {
  explicit stream_ring(const stream_bounds& b) : bounds(b) {}

  std::shared_ptr<stream_state> stream(std::string_view name);
  void push(ring_chunk c);
  void void_attempt(const stream_state& s, std::uint64_t before);
  bool seen(const stream_state& s) const { return s.spoke && read_to > s.first; }
  std::uint64_t next() const { return first + chunks.size(); }
  std::vector<stream_chunk> read(ring_reader& r) const;
  /// Who is to be told, outside of the lock.
  std::vector<std::shared_ptr<const std::function<void()>>> waiting();

  const stream_bounds& bounds;
  mutable std::mutex mutex;
  std::deque<ring_chunk> chunks;
  std::uint64_t first = 0; ///< number of the first of them
  std::size_t bytes = 0;
  std::uint64_t read_to = 0; ///< the furthest that anybody has read
  std::deque<std::shared_ptr<stream_state>> streams;
  std::vector<stream_child> children;
  std::map<std::uint64_t, ring_reader> readers;
};

/// The hub's table.
struct stream_rings {
  struct slot {
    std::shared_ptr<stream_ring> ring;
    std::uint64_t touched = 0;
    std::uint32_t readers = 0;
    bool gone = false; ///< nobody writes to it (yet, or any more); kept for its readers
    bool left = false; ///< its invocation has ended
  };

  /// Null where there is no room.
  slot* find_or_make(const std::string& invocation);
  bool make_room();

  explicit stream_rings(stream_bounds b) : bounds(b) {}

  const stream_bounds bounds;
  mutable std::mutex mutex; ///< taken before a ring's
  std::map<std::string, slot, std::less<>> slots;
  std::map<std::uint64_t, std::string> by_use; ///< `touched` to invocation, the oldest first
  std::uint64_t last_touch = 0;
  std::uint64_t last_reader = 0;
};

} // namespace troupe::detail
