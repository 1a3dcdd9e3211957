#pragma once
// The faults of the wall: what its server does, and what a caller must get. One list for both.

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

enum class misdeed : std::uint8_t {
  none,
  status,       ///< an HTTP error
  reset,        ///< RST in place of an answer
  silence,      ///< no byte ever
  slow_first,   ///< the first byte late, yet within its time
  cut,          ///< ends in the middle
  stall,        ///< goes silent in the middle
  malformed,    ///< a piece that cannot be read
  error_inside, ///< an error within a 200
  finish,       ///< ends early, and says why
  empty_reason, ///< an empty finish_reason with each piece, as some servers send it
  empty_cut,    ///< the same, and ends in the middle
  no_done,      ///< whole, without `[DONE]`
  no_finish,    ///< all the text, but no word that it is all
  byte_by_byte, ///< every character cut into pieces
  no_usage,     ///< whole, without a count of tokens
  garbage,      ///< a page of HTML
  endless,      ///< a stream without an end
};

/// Requests that a fault lasts.
constexpr std::uint64_t for_ever = std::numeric_limits<std::uint64_t>::max();
constexpr std::chrono::milliseconds slow_first_token{300};

struct wall_fault {
  std::string name;
  std::string expect; ///< `whole`, or the code of the error
  misdeed what = misdeed::none;
  std::uint64_t times = for_ever;
  int status = 0;
  std::string code{};
  std::string message{};
  std::string headers{};
  std::uint64_t attempts = 0; ///< what one call may cost; 0: all of `attempts_max`
  std::uint64_t every = 0;    ///< each such request goes well; 0: none
  bool held = false;          ///< a stream breaks where `POST /release` says so, not before
};

/// The APIs that the wall speaks, as `kind` of a model names them.
inline const std::vector<std::string>& wall_kinds() {
  static const std::vector<std::string> all{"openai", "anthropic", "openai_responses"};
  return all;
}

inline const std::vector<wall_fault>& wall_faults() {
  using m = misdeed;
  constexpr auto limit = "rate_limit_exceeded";
  constexpr auto down = "server_error";
  static const std::vector<wall_fault> all{
    {"well", "whole", m::none, 0},
    {"storm_with_retry_after", "whole", m::status, 3, 429, limit, "slow down", "retry-after-ms: 60\r\n"},
    {"storm_without_retry_after", "whole", m::status, 2, 429, limit, "slow down"},
    {"storm_without_end", "rate_limited", m::status, for_ever, 429, limit, "slow down"},
    {"retry_after_of_hours", "rate_limited", m::status, for_ever, 429, limit, "tomorrow", "Retry-After: 7200\r\n", 1},
    {"billing", "budget_exceeded", m::status, for_ever, 429, "insufficient_quota", "pay", "", 1},
    {"key_refused", "failed", m::status, for_ever, 401, "invalid_api_key", "who are you", "", 1},
    {"error_500_once", "whole", m::status, 1, 500, down, "oops"},
    {"error_500", "unavailable", m::status, for_ever, 500, down, "oops"},
    {"error_503_with_retry_after", "whole", m::status, 2, 503, down, "later", "retry-after-ms: 40\r\n"},
    {"burst_of_529", "whole", m::status, 2, 529, "overloaded_error", "overloaded"},
    {"flapping", "whole", m::status, for_ever, 503, down, "up and down", "", 0, 2},
    {"reset_once", "whole", m::reset, 1},
    {"reset", "unavailable", m::reset},
    {"silence_once", "whole", m::silence, 1},
    {"silence", "timed_out", m::silence},
    {"slow_first_token", "whole", m::slow_first},
    {"cut_once", "whole", m::cut, 1},
    {"cut", "unavailable", m::cut},
    {"stall_once", "whole", m::stall, 1},
    {"stall", "timed_out", m::stall},
    {"malformed_once", "whole", m::malformed, 1},
    {"malformed", "unavailable", m::malformed},
    {"error_inside_once", "whole", m::error_inside, 1, 200, down, "oops"},
    {"error_inside", "unavailable", m::error_inside, for_ever, 200, down, "oops"},
    {"no_done", "whole", m::no_done},
    {"no_finish", "unavailable", m::no_finish},
    {"byte_by_byte", "whole", m::byte_by_byte},
    {"no_usage", "whole", m::no_usage},
    {"context_overflow", "invalid_input", m::status, for_ever, 400, "context_length_exceeded", "too long", "", 1},
    {"content_filter", "failed", m::finish, for_ever, 200, "content_filter", "", "", 1},
    {"cut_at_max_tokens", "output_too_large", m::finish, for_ever, 200, "length", "", "", 1},
    {"garbage", "unavailable", m::garbage},
    {"endless", "output_too_large", m::endless, for_ever, 200, "", "", "", 1},
    {"throttled_inside", "whole", m::error_inside, 2, 200, limit, "slow down"},
    {"broken_off", "unavailable", m::finish, for_ever, 200, "insufficient_system_resource"},
    {"window_full", "invalid_input", m::finish, for_ever, 200, "model_context_window_exceeded", "", "", 1},
    {"empty_reason", "whole", m::empty_reason},
    {"empty_reason_and_cut", "unavailable", m::empty_cut},
  };
  return all;
}

/// What breaks a stream that somebody reads: once, when the test says so.
inline const std::vector<wall_fault>& held_faults() {
  using m = misdeed;
  static const std::vector<wall_fault> all{
    {"held_cut", "unavailable", m::cut, 1, 0, "", "", "", 1, 0, true},
    {"held_stall", "timed_out", m::stall, 1, 0, "", "", "", 1, 0, true},
    {"held_malformed", "unavailable", m::malformed, 1, 0, "", "", "", 1, 0, true},
    {"held_error", "unavailable", m::error_inside, 1, 200, "overloaded_error", "busy", "", 1, 0, true},
  };
  return all;
}

/// @param name of a fault, and `~` and anything, by which its requests are counted apart
inline std::optional<wall_fault> fault_of(std::string_view name) {
  name = name.substr(0, name.find('~'));
  for (const auto* list : {&wall_faults(), &held_faults()})
    for (const auto& f : *list)
      if (f.name == name)
        return f;
  return std::nullopt;
}

/// What a model on the wall says to `said`, when it says all of it.
inline std::string wall_answer(std::string_view said) {
  std::string out = "To »" + std::string{said} + "«: ";
  for (int i = 1; i <= 20; ++i)
    out += "Grüße № " + std::to_string(i) + " 😀, ";
  return out + "and that is all of " + std::string{said} + ".";
}

} // namespace troupe::test
