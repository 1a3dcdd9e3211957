#pragma once
// What is outside of a troupe on a stage, and survives its crashes: the disk, and the services with
// their memory of what was done to them.

#include "runtime/core/call.hpp"
#include "runtime/store/memory_store.hpp"
#include "tests/kit/answers.hpp"
#include "tests/kit/schedule.hpp"
#include "tests/kit/trace.hpp"

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe::kit {

/// One scripted service: what it answers, and how it answers a reconcile.
struct scripted_service {
  std::string name;   ///< `tool:ticketing`
  service_info info;
  std::function<scripted_answer(const call_request&, std::uint32_t nth)> answer;
  /// Empty: looks the key up among the effects done, and answers as the call did.
  std::function<reconcile_reply(const reconcile_request&)> reconcile;
};

/// Where a machine can die. The first three are the store's.
enum class crash_kind : std::uint8_t {
  before_write, ///< nothing was written
  before_sync,  ///< all was written, nothing is durable
  before_ack,   ///< all is durable, and nobody knows yet
  after_effect, ///< a service has done it, and no record of that exists
};

/// Where a stage's store stands: opened in each life of the process. See faulty_disk.hpp.
class stage_storage {
public:
  virtual ~stage_storage() = default;
  virtual std::unique_ptr<store::durable_store> open(random_source& chance,
                                                     const time_source& clock) = 0;
  /// The life is over: nothing more of it reaches the disk.
  virtual void power_off() = 0;
};

/// What stands between the actors of a stage and what is outside. See faulty_network.hpp.
class stage_network {
public:
  virtual ~stage_network() = default;
  /// @returns who takes the calls of `service` instead of it; ends with it
  virtual caf::actor before(caf::actor_system& system, caf::actor service,
                            const service_info& info) = 0;
};

/// Survives crashes. Not thread-safe: a stage has one thread.
class world {
public:
  world() : disk(std::make_shared<store::memory_disk>()) {
    disk->plan([this](store::boundary b, std::uint64_t) { return at_boundary(b); });
  }

  /// Called at each durable boundary and after each effect; the machine dies at number `crash_at`.
  store::fault at_boundary(store::boundary b) {
    if (passes(static_cast<crash_kind>(b)))
      return store::fault::crash;
    return fail_commits ? store::fault::fail : store::fault::none;
  }

  /// A service has done something and answers `value`. Nothing is done any more once the machine is
  /// dead.
  void effect(const std::string& service, const std::string& key, const std::string& body,
              const result<std::string>& value = std::string{"null"}) {
    if (crashed)
      return;
    auto& known = bodies[service];
    if (auto first = known.find(key); first != known.end() && first->second != body)
      rewritten[service].insert(key);
    ++effects[service][key];
    known[key] = body;
    answers[service][key] = value.value_or("null");
    passes(crash_kind::after_effect);
  }

  /// No crash and no failure that was planned will come any more.
  void calm() {
    crash_at.clear();
    crash_in_recovery = 0;
    fail_commits = false;
  }

  /// Something that nobody planned has happened: the stage throws it out of `run` as a `failure`.
  void problem(std::string what) { problems.push_back(std::move(what)); }

  /// Effects of one service with one key, and over all keys.
  std::uint32_t count(const std::string& service, const std::string& key) {
    auto& all = effects[service];
    auto i = all.find(key);
    return i == all.end() ? 0 : i->second;
  }
  std::uint32_t total(const std::string& service) {
    std::uint32_t n = 0;
    for (auto& [_, c] : effects[service])
      n += c;
    return n;
  }
  /// The most often that any one key was used.
  std::uint32_t most(const std::string& service) {
    std::uint32_t n = 0;
    for (auto& [_, c] : effects[service])
      n = std::max(n, c);
    return n;
  }

  std::shared_ptr<store::memory_disk> disk;
  std::shared_ptr<stage_storage> storage; ///< instead of a store on `disk`; may be null
  std::shared_ptr<stage_network> network; ///< before each service; may be null
  std::map<std::string, std::map<std::string, std::uint32_t>> effects; ///< service, key -> count
  std::map<std::string, std::map<std::string, std::string>> bodies;
  std::map<std::string, std::map<std::string, std::string>> answers;
  std::map<std::string, std::vector<std::string>> calls;     ///< service -> keys, in order
  std::map<std::string, std::vector<std::string>> cancelled; ///< service -> keys of stopped calls
  std::map<std::string, std::set<std::string>> rewritten;    ///< keys that came with another body
  std::map<std::string, effect_class> classes;               ///< as options or topology say
  std::map<std::string, std::uint32_t> asked;                ///< calls of a double
  std::map<std::string, std::uint32_t> sequence_used;        ///< of a double's sequence
  std::map<std::string, std::uint32_t> reconciled;           ///< questions about lost outcomes
  std::vector<std::string> problems;                         ///< what nobody planned
  std::set<std::uint64_t> crash_at;
  std::vector<crash_kind> passed; ///< what each boundary was
  std::uint64_t lives = 0;        ///< of the process
  std::uint64_t boundary_crashes = 0; ///< of `crash_at`, so far
  /// In the life after the first of these the machine dies once more, after so many turns of actors:
  /// in the middle of recovery, where nothing is written. 0: it does not.
  std::uint64_t crash_in_recovery = 0;
  std::uint64_t boundaries = 0;
  bool fail_commits = false;
  bool crashed = false;
  std::chrono::microseconds elapsed{0}; ///< virtual time over all lives
  std::chrono::microseconds wall_ahead{0}; ///< of UTC; add an hour and the wall clock has jumped
  /// Lets virtual time pass while its caller waits, as a blocked thread does. Of the living stage.
  std::function<void(std::chrono::milliseconds)> stall;
  /// Who goes next, over all lives, and from which all other chance follows. Null: each stage
  /// decides by the seed in its options.
  std::shared_ptr<schedule> order;
  trace_log trace; ///< what happened, over all lives

private:
  bool passes(crash_kind k) {
    passed.push_back(k);
    if (!crash_at.contains(boundaries++))
      return false;
    ++boundary_crashes;
    crashed = true;
    return true;
  }
};

} // namespace troupe::kit
