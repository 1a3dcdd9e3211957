#pragma once
// Options of the dispatcher and of the agents that it starts: `[dispatcher]` and `[agents.*]`.

#include "actors/flow/chat_options.hpp"
#include "runtime/core/options.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

/// Most invocations of one agent in memory at a time, where `concurrency` is 0: at 4 KiB each
/// suspended, 400 MiB.
inline constexpr std::uint32_t concurrency_limit = 100'000;

/// What is asked of callers from outside.
enum class idempotency_rule : std::uint8_t {
  optional, ///< a request without a key is new work each time
  required, ///< it is refused
  strict,   ///< likewise; and a repeat of what still runs is refused instead of waiting for it
};

/// One agent: a name under which a class can be invoked.
struct agent_options {
  // Behaviour
  /// The name that callers use; the key in the topology.
  std::string name;
  /// The class as registered by `TROUPE_AGENT`; empty: the same as `name`.
  std::string class_name;
  /// Field of the input whose value names the instance: invocations of one value run one after
  /// another over its saved state. Empty: every invocation is on its own.
  std::string key;
  /// Keyed agents only: others may run under the key while one waits for a signal.
  bool yields = false;
  /// The stricter one of this and the gateway's holds.
  idempotency_rule idempotency = idempotency_rule::optional;
  /// From acceptance to completion, queueing included; 0: none.
  std::chrono::milliseconds deadline{0};
  /// What it says it uses: checked to exist when the topology is read. Empty: not checked.
  std::vector<std::string> tools;
  std::vector<std::string> models;
  std::vector<std::string> agents;
  /// Of `class = "chat"`.
  chat_options chat{};
  /// Where several want the same model: whom it works for, what goes first (higher), and its part
  /// of what its tenant gets.
  std::string tenant;
  std::uint32_t priority = 0;
  double share = 1;

  // Performance
  /// Running at a time; 0: as many as come, up to `concurrency_limit`.
  std::uint32_t concurrency = 0;
  /// Accepted and not yet begun; above it callers get `overloaded` with retry_after. 10,000 is
  /// some seconds of work: what waits longer is better refused early.
  std::uint32_t depth_max = 10'000;
  /// An invocation that has waited this long (sleep, signal) gives up its frame and its actor;
  /// waking it replays. 2 s: below that, replaying costs more than the memory it frees.
  std::chrono::milliseconds passivate_after{2'000};

  option_problems validate() const;
};

/// What bounds all agents together.
struct dispatcher_options {
  // Behaviour
  /// An invocation that dies this often at one address is quarantined.
  std::uint32_t deaths_max = 3;
  /// How long an idempotency key leads to its invocation, from the invocation's end; the same key
  /// begins a new one after that. 24 h, as at Stripe: a client that repeats after a day means it.
  std::chrono::milliseconds key_ttl{std::chrono::hours{24}};
  /// A child's child's child ... : at this depth `invoke` and `send` are refused. 32: a tree of
  /// agents is a handful deep, and one that calls itself must end before it has used up `depth_max`.
  std::uint32_t children_depth_max = 32;
  /// How long a stop waits for what is running; what is left resumes at the next start.
  std::chrono::milliseconds drain_timeout{10'000};

  // Performance
  /// Open invocations taken up again at start, per second: no stampede on the tools.
  std::uint32_t recovery_rate = 20'000;
  /// Open invocations over all agents; above it callers get `overloaded`. A million index
  /// entries are about 200 MiB.
  std::uint32_t depth_max = 1'000'000;

  option_problems validate() const;
};

} // namespace troupe
