#pragma once
// The durable store, behind one interface.
//
// Everything that must survive goes through here in *batches*: one commit makes all of a batch
// durable or nothing. SQLite is the embedded default, memory serves tests, and PostgreSQL fits: a
// store is only ever called from two actors (the journal, which commits, and the reader, which
// loads), so its methods may block without holding anybody else.

#include "runtime/journal/entry.hpp"
#include "runtime/store/aside.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::store {

using journal::invocation_no;
using journal::lsn;

/// The owner's number; a newer owner has a larger one. The store rejects writes with an older one.
using epoch = std::uint64_t;

/// Where an invocation stands. The numbers stand in stores: append, never renumber. Those below
/// `completed` are open: they are taken up again at start.
enum class status : std::uint8_t {
  queued = 0,      ///< accepted, waits for its turn
  running = 1,     ///< begun; an actor has it or will
  suspended = 2,   ///< passivated: waits for a timer or a signal, without an actor
  parked = 3,      ///< an unknown outcome waits for `troupe resolve`
  paused = 4,      ///< replay does not match, or its agent is not loaded
  quarantined = 5, ///< died three times at one address; waits for `troupe retry`
  completed = 10,
  failed = 11,
  cancelled = 12,
};

std::string_view to_string(status s) noexcept;
std::optional<status> status_from(std::string_view name) noexcept;
constexpr bool is_open(status s) noexcept { return s < status::completed; }

/// One line of the table of invocations.
struct record {
  invocation_no no = 0;
  std::string agent;
  std::string key;             ///< of a keyed agent, else empty
  std::string idempotency_key; ///< empty: none was given
  std::uint64_t input_hash = 0;
  status state = status::queued;
  utc_time wake_at = never;    ///< where suspended: the next timer
  utc_time created{};
  utc_time updated{};
  utc_time deadline = never;
  invocation_no parent = 0;    ///< 0: none
  std::string parent_effect;   ///< `path|seq|generation+1|depth`: where in the parent; generation 0:
                               ///< it does not wait
  std::uint32_t run = 0;
  std::uint32_t generation = 0;
};

/// Changes of a record. A run or a generation that is `journal::outside` stays as it is: whoever
/// makes the change does not know it. Without a run a record that has ended is not changed at all:
/// the invocation's own last word may have come first.
struct change {
  status state = status::running;
  utc_time wake_at = never;
  utc_time updated{};
  std::uint32_t run = 0;
  std::uint32_t generation = 0;
  bool drops_deadline = false; ///< a retried one has all the time that it needs
  bool drops_key = false;      ///< its idempotency key has expired: another one may have it
};

/// A value by content. A `node` of a chain refers to the two hashes that it consists of.
struct blob {
  digest hash;
  std::string bytes;
  bool node = false; ///< bytes are two hashes: the node before (or zeros) and an item
};

/// The saved state of a keyed agent.
struct saved_state {
  std::string agent;
  std::string key;
  std::string body;
  utc_time saved{}; ///< when; what is older than its agent wants is forgotten
};

/// A saved state that has become old.
struct old_state {
  utc_time saved{};
  std::string key;
};

/// What one appender wants durable together. Parts that are empty cost nothing.
struct unit {
  lsn at = 0;                       ///< given by the log
  invocation_no invocation = 0;
  std::string row;                  ///< from `journal::row_writer::take`
  std::optional<record> created;    ///< a new invocation
  std::optional<change> changed;
  std::vector<blob> blobs;
  std::vector<digest> references;   ///< blobs that `row` refers to
  std::optional<saved_state> state;
  lsn trim_before = 0;              ///< drop this invocation's rows older than this, but the first
  std::vector<invocation_no> purge; ///< forget these invocations altogether
  std::shared_ptr<aside> beside;    ///< rare: null in nearly all units
};

struct batch {
  epoch owner = 0;
  std::vector<unit> units;
};

/// A stored row of a journal.
struct stored_row {
  lsn at = 0;
  std::string bytes;
};

/// The longest list in one answer: a page of a terminal's `ps`, and bounded memory for the store.
inline constexpr std::uint32_t list_max = 1'000;

/// Which invocations to list, newest first.
struct filter {
  std::string agent;                  ///< empty: all
  std::optional<status> state;
  bool open_only = false;
  utc_time since{};                   ///< created at or after
  invocation_no before = 0;           ///< page: numbers below this; 0: from the newest
  std::uint32_t limit = 100;          ///< at most `list_max`
};

/// What `open_after` yields: enough to re-admit or re-arm without loading anything else.
struct open_entry {
  invocation_no no = 0;
  std::string agent;
  std::string key;
  std::string idempotency_key;
  std::uint64_t input_hash = 0;
  status state = status::queued;
  utc_time wake_at = never;
  utc_time deadline = never;
  invocation_no parent = 0;
  std::string parent_effect;
  std::uint32_t run = 0;
};

/// The store. `commit` is called from one thread at a time, the reading methods from one other.
class durable_store {
public:
  virtual ~durable_store() = default;

  /// Short random word in every invocation's id, so that keys never collide between stores.
  virtual std::string_view tag() const = 0;

  /// The epoch that this owner holds.
  virtual epoch owner() const = 0;

  /// The last LSN and the last invocation number in the store.
  virtual lsn last_lsn() const = 0;
  virtual invocation_no last_invocation() const = 0;

  /// Makes all of it durable, or nothing. `fenced`: a newer owner has come; `store_failed`: disk
  /// full, I/O error.
  virtual result<void> commit(const batch& b) = 0;

  virtual result<std::optional<record>> find(invocation_no no) = 0;
  virtual result<std::optional<record>> find(std::string_view agent,
                                             std::string_view idempotency_key) = 0;
  virtual result<std::vector<record>> list(const filter& f) = 0;

  /// The rows of one invocation, oldest first.
  virtual result<std::vector<stored_row>> load(invocation_no no) = 0;
  virtual result<std::string> load_blob(const digest& hash) = 0;
  virtual result<std::optional<std::string>> load_state(std::string_view agent,
                                                        std::string_view key) = 0;

  /// Open invocations with numbers above `after`, ascending, at most `limit`.
  virtual result<std::vector<open_entry>> open_after(invocation_no after, std::uint32_t limit) = 0;

  /// Finished invocations last touched before `t`, at most `limit`; those whose idempotency key a
  /// client may still repeat only before `keyed`.
  virtual result<std::vector<invocation_no>> finished_before(utc_time t, utc_time keyed,
                                                             std::uint32_t limit) = 0;

  /// Saved states of this agent from before `before`, the oldest first, at most `limit`; those that
  /// come after `last` in this order.
  virtual result<std::vector<old_state>> old_states(std::string_view agent, utc_time before,
                                                    const old_state& last,
                                                    std::uint32_t limit) = 0;

  /// What is known of a business action, and how many are (and have expired by `now`).
  virtual result<std::optional<claim>> find_claim(const claim_key& what) = 0;
  virtual result<claim_count> count_claims(utc_time now) = 0;

  /// Dead letters with ids below `before` (0: all), newest first, at most `limit`.
  virtual result<std::vector<letter>> letters(lsn before, std::uint32_t limit) = 0;

  /// A consistent copy while work goes on.
  virtual result<void> backup(const std::string& file) = 0;
};

/// `k3f9x2-17`
std::string invocation_id(std::string_view tag, invocation_no no);

/// The number in an id, or in a bare number; nothing where the tag is another store's.
std::optional<invocation_no> invocation_number(std::string_view tag, std::string_view id);

} // namespace troupe::store
