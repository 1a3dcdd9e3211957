#pragma once
// The words of a model while they come, for whoever watches.
//
// A model needs half a minute for an answer, and a person wants to read the first word of it after
// half a second. What the journal gets is the final record alone, so there are two planes: this one
// holds the pieces of answers that are on their way, in a ring for each invocation, and forgets.
// Nothing here is durable, and nobody who reads here can hold up who writes.
//
//     auto out = hub.begin("k3f9x2-17", "0/0/-/4");   // an attempt begins
//     out.add(stream_kind::text, "Hel");              // on any thread
//     hub.settle("k3f9x2-17", "0/0/-/4", outcome);    // the final record
//
//     auto in = hub.follow("k3f9x2-17", [] { wake_me_up(); });
//     for (auto& c : in.read()) ...
//
// What a reader gets of one stream is, in this order and without gaps: pieces with (attempt, seq),
// seq from 0; `reset` where what came before it counts no more; `end`. A reader that was too slow
// for its ring, or comes late, gets the whole text as one piece before `end`, after a `reset` where
// it had something. A stream whose effect was replayed is such a whole text, too. An attempt that
// failed before anybody had read of it leaves no trace.
//
// Threads: any. Bounded: see stream_bounds.

#include "runtime/core/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class stream_kind : std::uint8_t { text, reasoning, tool_call, reset, end };

std::string_view to_string(stream_kind k) noexcept;

struct stream_chunk {
  std::string stream; ///< address of the effect, as an emit's id has it: `0/0/-/4`
  stream_kind what = stream_kind::text;
  std::uint32_t attempt = 0; ///< from 1
  std::uint32_t seq = 0;     ///< within the attempt, from 0
  std::string text;          ///< of `end`: the code of the error, where it failed
  std::size_t call = 0;      ///< of a tool call: which one
  bool whole = true;         ///< of `end`: false where the final text was too long for this plane
};

/// An invocation that another one has begun and waits for. It has a ring of its own.
struct stream_child {
  std::string invocation;
  std::string agent;
  bool operator==(const stream_child&) const = default;
};

/// The stream of an effect: the address within its key.
constexpr std::string_view stream_of(std::string_view key, std::string_view invocation) noexcept {
  bool ours = key.starts_with(invocation) && key.size() > invocation.size();
  return ours ? key.substr(invocation.size() + 1) : key;
}

struct stream_bounds {
  /// Text that one invocation keeps, and so how far a reader may be behind: some 30,000 words.
  std::size_t ring_bytes_max = std::size_t{128} << 10;
  /// Invocations with a ring. Past it the one that was written longest ago and that nobody reads
  /// goes; where all are read, the next streams to nobody.
  std::size_t rings_max = 2'048;
  /// Streams of one invocation that are remembered, so that none is shown twice.
  std::size_t streams_max = 256;
  /// Children of one invocation that are remembered; those after them are followed by their own id.
  std::size_t children_max = 64;
};

namespace detail {
struct stream_ring;
struct stream_state;
struct stream_rings;
} // namespace detail

/// One attempt at one answer. Empty where nobody could follow: then it takes pieces to nowhere.
class stream_writer {
public:
  stream_writer() = default;

  /// A piece has come. Dropped where the attempt has been closed or another has begun.
  void add(stream_kind what, std::string_view text, std::size_t call = 0) const;
  /// Whether somebody has read a piece of this attempt: starting anew is visible from then on.
  bool seen() const;
  /// Nothing more comes of this attempt.
  void close() const;

private:
  friend class stream_hub;
  std::shared_ptr<detail::stream_ring> ring_;
  std::shared_ptr<detail::stream_state> state_;
  std::uint32_t attempt_ = 0;
};

/// Follows one invocation until it is destroyed. One thread at a time.
class stream_reader {
public:
  stream_reader();
  ~stream_reader();
  stream_reader(stream_reader&&) noexcept;
  stream_reader& operator=(stream_reader&&) noexcept;

  /// What is new. Never waits. `notify` is called again for what comes after.
  std::vector<stream_chunk> read();
  /// The children of the invocation so far; `notify` is called for new ones, too.
  std::vector<stream_child> children() const;
  /// False where the hub had no room: there will be nothing to read.
  explicit operator bool() const noexcept { return place_ != nullptr; }

private:
  friend class stream_hub;
  struct place;
  std::unique_ptr<place> place_;
};

class stream_hub {
public:
  explicit stream_hub(stream_bounds bounds = {});
  ~stream_hub();
  stream_hub(const stream_hub&) = delete;
  stream_hub& operator=(const stream_hub&) = delete;

  // -- who writes --
  stream_writer begin(const std::string& invocation, std::string_view stream);
  /// The effect has ended: `outcome` is its record, an object with a member `text`. Has no effect
  /// the second time.
  void settle(const std::string& invocation, std::string_view stream,
              const result<std::string>& outcome);
  /// Whether somebody has read a piece of the latest attempt, whoever made it.
  bool seen(const std::string& invocation, std::string_view stream) const;
  /// `parent` has begun this one. Has no effect the second time.
  void adopt(const std::string& parent, stream_child child);
  /// The invocation has left the process, or has ended.
  void forget(const std::string& invocation);

  // -- who reads --
  /// @param notify called when there is something to read, on the writer's thread, once until the
  ///        next `read`; must neither block nor call the hub. Perhaps once more after the reader's
  ///        end.
  stream_reader follow(const std::string& invocation, std::function<void()> notify);

  std::size_t rings() const;

private:
  std::shared_ptr<detail::stream_rings> rings_;
};

} // namespace troupe
