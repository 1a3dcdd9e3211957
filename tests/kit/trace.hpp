#pragma once
// What happened on a stage, message by message.
//
// When a seed fails, the question is who heard what in which order. The trace keeps the latest
// turns of actors over all lives of a world, and a digest of all of them, so that two runs can be
// compared however long they were. Nothing in it depends on addresses, hash orders or the compiler.

#include "runtime/telemetry/events.hpp"

#include <caf/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <typeindex>
#include <unordered_map>
#include <vector>

namespace troupe::kit {

/// One turn of an actor: it was given the message at the head of its mailbox.
struct delivery {
  std::uint64_t step = 0;           ///< of the schedule, over all lives
  std::chrono::microseconds at{};   ///< virtual time since the world began
  std::string from;                 ///< `invocation#12`, `tool:chat`; `-`: nobody, or the outside
  std::string to;
  std::string message;              ///< its type, `troupe::call_request`; `-`: its first turn
  bool chosen = false;              ///< it went although others had come first
};

/// An event, and when it was (virtual, since the world began).
struct seen_event {
  std::chrono::microseconds at{};
  event what;
};

/// Outlives stages, belongs to a world. Not thread-safe.
class trace_log {
public:
  /// Turns that are kept: what led to a failure lies among the last few hundred.
  static constexpr std::size_t turns_max = 4'096;
  /// Events that are kept.
  static constexpr std::size_t events_max = 1'000;

  /// Actor numbers begin again with each life. `namer` knows services by their actors' numbers.
  void begin_life(std::function<std::string(std::uint64_t)> namer);

  /// `job` is about to have its turn.
  void add(caf::resumable& job, std::uint64_t step, std::chrono::microseconds at, bool chosen);
  /// Time goes on although somebody could run.
  void add_time(std::uint64_t step, std::chrono::microseconds at);
  void add(std::chrono::microseconds at, const event& e);

  /// The latest turns, oldest first; at most `n`.
  std::vector<delivery> turns(std::size_t n = turns_max) const;
  /// The latest events, oldest first; at most `n`.
  std::vector<seen_event> events(std::size_t n = events_max) const;
  /// Turns over all lives.
  std::uint64_t size() const noexcept { return size_; }
  /// Of all turns: equal where two runs were equal.
  std::uint64_t digest() const noexcept { return digest_; }

private:
  struct turn {
    std::uint64_t step;
    std::chrono::microseconds at;
    std::uint32_t from;
    std::uint32_t to;
    std::uint32_t message;
    bool chosen;
  };
  struct word {
    std::string text;
    std::uint64_t digest;
  };

  void add(const turn& t);
  std::uint32_t word_of(std::string text);
  std::uint32_t label_of(caf::abstract_actor* who);
  std::uint32_t type_of(caf::mailbox_element* what);

  std::vector<word> words_;
  std::map<std::string, std::uint32_t, std::less<>> word_index_;
  std::unordered_map<std::uint64_t, std::uint32_t> labels_; ///< actor number to word
  std::unordered_map<std::type_index, std::uint32_t> types_;
  std::function<std::string(std::uint64_t)> namer_;
  std::deque<turn> turns_;
  std::deque<seen_event> events_;
  std::uint64_t size_ = 0;
  std::uint64_t digest_ = 0xcbf29ce484222325U;
};

/// Two tables for people.
std::string table_of(const std::vector<delivery>& turns);
std::string table_of(const std::vector<seen_event>& events);

/// `troupe::call_request` for a type.
std::string type_name(const std::type_info& type);

} // namespace troupe::kit
