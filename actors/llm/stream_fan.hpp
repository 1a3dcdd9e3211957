#pragma once
// The pieces of one attempt, for all whose answer it will be. Private to this folder.
//
// Calls that ask the same share one request. Whoever joins while it speaks gets what has been said
// so far as one piece, and then the pieces as they come: a stream without its beginning is none.
//
// Threads: pieces come on the backend's, the rest on the endpoint's.

#include "runtime/core/stream_hub.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::detail {

/// A stream of the hub, by name.
struct stream_place {
  std::string invocation;
  std::string stream;
  bool operator==(const stream_place&) const = default;
};

class stream_fan {
public:
  /// Kept for those who join; past it they get the whole text at its end: half of a ring.
  static constexpr std::size_t so_far_max = std::size_t{64} << 10;

  /// @param shared others may join
  stream_fan(stream_writer first, bool shared) : first_(std::move(first)), shared_(shared) {}

  void add(stream_kind what, std::string_view text, std::size_t call);
  /// @param begin makes its writer; not called where it comes too late for the pieces
  void join(const stream_place& who, const std::function<stream_writer()>& begin);
  void leave(const stream_place& who);
  /// Whether somebody has read a piece, of whichever stream.
  bool seen() const;
  void close() const;

private:
  struct said {
    stream_kind what;
    std::size_t call;
    std::string text;
  };
  struct joined {
    stream_place who;
    stream_writer to;
  };
  void keep(stream_kind what, std::string_view text, std::size_t call);

  const stream_writer first_;
  const bool shared_;
  mutable std::mutex mutex_; ///< taken before a ring's; not at all where nothing is shared
  std::vector<joined> others_;
  std::vector<said> so_far_;
  std::size_t bytes_ = 0;
};

} // namespace troupe::detail
