#pragma once
// What a store keeps beside journals and invocations: business keys and dead letters.
//
// Both are about what no single invocation owns: that an action has been taken on (whoever asks for
// it next), and that a message has been set aside (until a person decides). They are written in the
// same units as the journal rows that they follow from, so that neither is durable without the other.

#include "runtime/journal/entry.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::store {

/// Where a business action stands. The numbers stand in stores: append, never renumber.
enum class claim_state : std::uint8_t {
  in_flight = 0, ///< its owner is at it
  completed = 1, ///< `answer` is what everybody gets
  unknown = 2,   ///< it may have happened; with an owner: parked there
};

std::string_view to_string(claim_state s) noexcept;

/// Names an action: a service and the key that its callers gave it.
struct claim_key {
  std::string service; ///< `tool:refund`
  std::string key;
  auto operator<=>(const claim_key&) const = default;
};

/// Who is at it: an effect of an invocation, stable over replays, runs and restarts.
struct claimant {
  journal::invocation_no invocation = 0; ///< 0: nobody
  std::string effect;                    ///< `generation/path/seq`
  auto operator<=>(const claimant&) const = default;
};

/// One row of the ledger.
struct claim {
  claim_key what;
  std::uint64_t arguments = 0; ///< hash of their canonical JSON; 63 bits
  claim_state state = claim_state::in_flight;
  claimant owner;
  std::uint64_t owner_epoch = 0; ///< of the store, when it was claimed
  utc_time sent{};             ///< when it may last have been sent
  utc_time lease{};            ///< in flight: until then nobody else takes it over
  utc_time expires = never;    ///< forgotten then
  journal::payload answer;     ///< where completed
};

/// What an owner says of its claim; refused silently where somebody else's word came first.
enum class settling : std::uint8_t {
  completed, ///< it happened; the first such word stands, whoever says it
  parked,    ///< nobody knows: a person decides, and the owner waits for them
  unknown,   ///< nobody knows, and the owner does not wait any more
  freed,     ///< it did not happen: the key is free again
  undone,    ///< it happened and was compensated: the key is free again
};

struct settlement {
  claim_key what;
  claimant by;
  settling how = settling::completed;
  journal::payload answer; ///< where completed
  utc_time expires = never;
};

/// Applies `s` to `c`. @returns false where `s` has no say; `keep` is false where the claim goes
bool settle(claim& c, const settlement& s, bool& keep);

/// Why a message was set aside. The numbers stand in stores: append, never renumber.
enum class letter_kind : std::uint8_t {
  poisoned = 0,    ///< a call that threw each time a service read it
  expired = 1,     ///< its deadline passed before anybody read it
  quarantined = 2, ///< an invocation that died too often at one address
};

std::string_view to_string(letter_kind k) noexcept;

/// A message that was set aside.
struct letter {
  journal::lsn id = 0;                   ///< of the unit that filed it
  letter_kind kind = letter_kind::poisoned;
  journal::invocation_no invocation = 0; ///< whose it is; 0: nobody's
  std::string subject;                   ///< the service, or the agent
  std::string key;                       ///< of the call
  std::string body;                      ///< of the call, its beginning
  std::string why;
  std::uint32_t deaths = 0;
  utc_time when{};
};

/// The most letters that are kept; the oldest make room. About 1 KiB each.
inline constexpr std::uint32_t letters_max = 10'000;

/// How much there is of something, and what of it has expired.
struct claim_count {
  std::uint64_t all = 0;
  std::uint64_t expired = 0;
};

/// Saved states of keyed agents to forget, where nobody has saved them again meanwhile.
struct forgotten_states {
  std::string agent;
  utc_time before{}; ///< only those that were saved before
  std::vector<std::string> keys;
};

/// What a unit writes of all this.
struct aside {
  std::vector<claim> claims;           ///< replace what stood there
  std::vector<settlement> settlements;
  utc_time claims_before{};            ///< forget claims that expired before, `claims_purge` of them
  std::vector<letter> letters;
  std::vector<journal::lsn> dropped;   ///< letters to forget
  bool letters_answered = false;       ///< forget those of the unit's invocation
  forgotten_states states{};
};

/// Claims that one unit purges: some milliseconds, so that no step waits long.
inline constexpr std::uint32_t claims_purge = 500;

} // namespace troupe::store
