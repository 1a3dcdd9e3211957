#pragma once
// One entry of a journal as one line of JSON, both ways. Private to this folder.

#include "runtime/core/json_set_members.hpp"
#include "runtime/journal/entry.hpp"

#include <array>

namespace troupe::journal::detail {

struct error_line {
  std::string code;
  std::string message;
  std::optional<bool> may_have_happened;
  std::optional<std::int64_t> retry_after_ms;
};
BOOST_DESCRIBE_STRUCT(error_line, (), (code, message, may_have_happened, retry_after_ms))

struct patch_line {
  std::string id;
  bool answer = false;
};
BOOST_DESCRIBE_STRUCT(patch_line, (), (id, answer))

/// Of a value within a line: two levels less than a reader takes.
inline constexpr json_limits value_limits{.depth_max = 62, .bytes_max = std::size_t{64} << 20};

/// By number.
inline constexpr std::array<std::string_view, 3> verdicts{"done", "not_done", "abort"};

/// The fields of all kinds of entries; each has some. What is not there is null or the default.
struct entry_line {
  std::string entry; ///< its kind
  std::uint64_t lsn = 0;
  std::optional<std::uint32_t> run;
  std::optional<std::uint32_t> generation;
  std::optional<std::string> agent;
  std::optional<std::string> version;
  std::optional<std::string> at;
  std::optional<std::string> kind; ///< of the effect
  std::optional<std::string> name;
  std::optional<std::string> effect_class;
  std::optional<std::string> arguments; ///< their hash, 16 hex digits
  std::optional<std::string> key;
  std::optional<bool> ok;
  std::optional<raw_json> value;       ///< the one payload that the entry has
  std::optional<std::string> messages; ///< a model's command: its last message
  std::optional<error_line> error;
  std::optional<std::uint64_t> signal;
  std::optional<std::string> why;
  std::optional<std::string> decision;
  std::optional<std::uint32_t> kept;
  std::optional<std::vector<patch_line>> patches;
  std::optional<std::int64_t> when_us;
  std::optional<std::int64_t> deadline_us;
  std::optional<std::string> traceparent;
  std::optional<std::string> by; ///< an effect: an address, or with generation and invocation
  std::optional<std::uint64_t> invocation;
};
BOOST_DESCRIBE_STRUCT(entry_line, (),
                      (entry, lsn, run, generation, agent, version, at, kind, name, effect_class,
                       arguments, key, ok, value, messages, error, signal, why, decision, kept,
                       patches, when_us, deadline_us, traceparent, by, invocation))

/// Any bytes as JSON on one line: themselves where they are that, else `{"$text":".."}`, and
/// `{"$hex":".."}` where they are not UTF-8.
std::string value_of(std::string_view bytes);
/// The inverse. False where `json` is neither.
bool bytes_of(std::string_view json, std::string& bytes);

entry_line to_line(const row& from, const entry& e);

/// @returns `errc::invalid_input` saying what is wrong with the line
result<entry> from_line(entry_line&& line);

} // namespace troupe::journal::detail
