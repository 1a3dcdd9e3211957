#pragma once
// What a journal is made of.
//
// A journal that only its writer can read is a liability: every entry is a plain struct here, with
// one binary form (see README.md in this folder, frozen by the golden journals in
// tests/runtime/journal/golden). A *row* is what one turn of an invocation appended at once.

#include "runtime/core/clock.hpp"
#include "runtime/core/digest.hpp"
#include "runtime/core/effect_class.hpp"
#include "runtime/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::journal {

/// Run and generation of rows that the dispatcher appends: they belong to the invocation, not to a
/// generation.
inline constexpr std::uint32_t outside = 0xFFFFFFFFU;

/// The version of the binary form; the first byte of every row.
inline constexpr std::uint8_t format_version = 1;

/// Log sequence number: the order of all appends of one store. 0 is "none".
using lsn = std::uint64_t;

/// Number of an invocation within its store.
using invocation_no = std::uint64_t;

/// What was asked for. The numbers stand in journals: append, never renumber.
enum class effect_kind : std::uint8_t {
  tool = 1,
  model = 2,
  run = 3,
  invoke = 4,
  send = 5,
  sleep = 6,
  signal = 7,
  now = 8,
  random = 9,
  uuid = 10,
  emit = 11,
  patched = 12,
  race = 13,
};

std::string_view to_string(effect_kind k) noexcept;

/// A value in the journal: the bytes, or the content hash under which the blob table holds them.
struct payload {
  std::string text;       ///< the bytes; empty while `stored` and not yet fetched
  bool stored = false;    ///< the bytes live in the blob table
  digest hash{};          ///< set when `stored`

  bool operator==(const payload&) const = default;
};

/// The address of an effect within a run and a generation. `path` is empty for the root branch;
/// a branch of a combinator at `seq` s appends `s.i`, e.g. `3.0`.
struct address {
  std::string path;
  std::uint32_t seq = 0;

  auto operator<=>(const address&) const = default;
};

/// `-/4`, `3.0/1`
std::string to_string(const address& a);

/// The invocation was accepted.
struct started {
  std::string agent;
  std::string version;
  payload input;
  utc_time created{};
  utc_time deadline = never;
  std::string traceparent;
  bool operator==(const started&) const = default;
};

/// An effect was issued. A second one at the address of an effect that is still open says that it
/// is sent again, after `not_done` or by a retry: its time in flight counts from there, and its key
/// is spelled out.
struct command {
  address at;
  effect_kind kind = effect_kind::run;
  effect_class cls = effect_class::pure;
  std::string name;              ///< tool, model, agent or step
  std::uint64_t arguments = 0;   ///< first 8 bytes of their SHA-256; 0 where there are none
  std::string key;               ///< business key; empty: the key comes from the address
  utc_time sent{};               ///< when it was first sent; for a sleep, when it is due
  payload detail;                ///< the arguments, for people and for reconcile
  bool operator==(const command&) const = default;
};

/// An effect's outcome was delivered to the coroutine.
struct completion {
  address at;
  bool ok = true;
  payload value;                 ///< where ok
  error failure{errc::none};     ///< where not
  utc_time when{};
  std::uint64_t signal = 0;      ///< which signal it consumed: its id; 0: none
  bool operator==(const completion&) const = default;
};

/// An effect that needs nobody else: command and completion in one.
struct local {
  address at;
  effect_kind kind = effect_kind::now;
  payload value;                 ///< `patched`: its id; `emit`: what was emitted
  bool operator==(const local&) const = default;
};

/// Something to know that replay does not look at.
struct note {
  std::string name;              ///< `drift`, `may_have_happened`, `late_result`, `reconciled`, `model_said`
  payload detail;
  utc_time when{};
  bool operator==(const note&) const = default;
};

/// A signal has come from outside. Consumed by a `completion`. Those that nobody has consumed are
/// written again into the row that begins a generation, since older rows are trimmed.
struct signalled {
  std::uint64_t id = 0; ///< the LSN it was first written at; 0: this row's
  std::string name;
  payload value;
  utc_time when{};
  bool operator==(const signalled&) const = default;
};

enum class cancel_reason : std::uint8_t { requested = 0, deadline = 1, parent = 2 };

std::string_view to_string(cancel_reason r) noexcept;

/// Somebody asked the invocation to stop.
struct cancel_asked {
  cancel_reason reason = cancel_reason::requested;
  utc_time when{};
  bool operator==(const cancel_asked&) const = default;
};

/// The cancellation reached the coroutine: the completions that follow say `cancelled`.
struct cancel_delivered {
  bool operator==(const cancel_delivered&) const = default;
};

/// A checkpoint: the generation of this row begins with this state.
struct generation_began {
  payload state;
  std::vector<std::pair<std::string, bool>> patches; ///< what `patched` has answered so far
  bool operator==(const generation_began&) const = default;
};

/// `troupe retry`: of the run before, the first `kept` matched entries stand; of what follows, the
/// successes are served again where they are asked for. With `afresh` nothing stands, and a keyed
/// agent's state is loaded anew: the key was free meanwhile.
inline constexpr std::uint32_t afresh = 0xFFFFFFFFU;
struct run_began {
  std::uint32_t kept = 0;
  bool operator==(const run_began&) const = default;
};

/// An effect's outcome cannot be told: a person decides.
struct parked {
  address at;
  std::string why;
  utc_time since{};
  bool operator==(const parked&) const = default;
};

enum class verdict : std::uint8_t { done = 0, not_done = 1, abort = 2 };

/// The decision on a parked effect.
struct resolved {
  address at;
  verdict decision = verdict::done;
  payload value; ///< where done
  bool operator==(const resolved&) const = default;
};

/// The state that a keyed agent's invocation began with; later on, the state that it found when it
/// got its key back (`yields`).
struct state_loaded {
  payload state;
  bool operator==(const state_loaded&) const = default;
};

/// An exception ended the actor. The third at one address is the last.
struct died {
  address at;
  std::string what;
  utc_time when{};
  bool operator==(const died&) const = default;
};

/// The invocation is over.
struct ended {
  bool ok = true;
  payload value;
  error failure{errc::none};
  utc_time when{};
  bool operator==(const ended&) const = default;
};

/// A step of a saga was undone: by the effect at `by`, which completed in this row. What the step had
/// done does not stand any more, so a retry does not count on it.
struct compensated {
  address step;
  address by;
  utc_time when{};
  bool operator==(const compensated&) const = default;
};

/// The completion that follows at `at` is the answer that another effect got under the same business
/// key, or (invocation 0) a fallback's: this invocation has done nothing, and has nothing to undo.
struct answered_by {
  address at;
  invocation_no invocation = 0;
  std::string effect; ///< `generation/path/seq`
  bool operator==(const answered_by&) const = default;
};

using entry = std::variant<started, command, completion, local, note, signalled, cancel_asked,
                           cancel_delivered, generation_began, run_began, parked, resolved,
                           state_loaded, died, ended, compensated, answered_by>;

/// `command`, `completion` ... as `troupe journal` shows it.
std::string_view name_of(const entry& e) noexcept;

/// Writes the entries of one row. Reuses its buffer: `take` leaves it empty.
class row_writer {
public:
  void add(const entry& e);
  void add(const command& c);
  void add(const completion& c);
  bool empty() const noexcept { return count_ == 0; }
  std::uint32_t count() const noexcept { return count_; }
  /// The bytes of the row: header, entries, checksum over them and `owner`.
  std::string take(invocation_no owner, std::uint32_t run, std::uint32_t generation);

private:
  std::string body_;
  std::uint32_t count_ = 0;
};

/// A decoded row.
struct row {
  lsn at = 0;
  std::uint32_t run = 0;
  std::uint32_t generation = 0;
  std::vector<entry> entries;
};

/// Decodes a row; `errc::corrupted` naming the LSN when the checksum or the form is wrong.
result<row> decode_row(lsn at, invocation_no owner, std::string_view bytes);

} // namespace troupe::journal
