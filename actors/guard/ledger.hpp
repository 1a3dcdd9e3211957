#pragma once
// The ledger: who does a business action, and what became of it.
//
// The problem: an effect's key keeps one invocation from doing it twice, but a customer who
// complains by mail and by telephone is two invocations, and would be refunded twice. They name the
// action instead (`tool("refund").key(order)`). The first to ask is granted it; who asks meanwhile
// waits; who asks later gets its answer. The claim is durable before the call goes out, and its end
// is in the same commit as the completion, so there is no moment at which a crash forgets either.
//
// Lifecycle: spawned by the dispatcher, beside it for as long as it lives. What it holds in memory
// is what somebody waits for and what is not durable yet; the rest is in the store. When a commit
// fails it forgets all of it, as everybody else does. Threads: an ordinary scheduled actor.

#include "runtime/core/env.hpp"
#include "runtime/core/ledger_messages.hpp"
#include "runtime/journal/log.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>

#include <deque>
#include <map>
#include <vector>

namespace troupe {

/// Bounds of the ledger.
struct ledger_options {
  /// Keys that are remembered; above it new ones are `overloaded`. About 300 bytes each on disk.
  std::uint64_t claims_max = 1'000'000;
  /// Who may wait for one key: more than a storm of repeats needs, and each holds an actor.
  std::size_t waiters_max = 10'000;
  /// Beyond two flights of a call, so long is an owner waited for that says nothing: a restart
  /// takes up some 20,000 invocations a second.
  std::chrono::milliseconds lease{30'000};
  /// A claim that nobody settles is forgotten then: its owner was aborted, and nobody came again.
  std::chrono::milliseconds unsettled_kept{std::chrono::hours{24 * 30}};
  /// Between two purges.
  std::chrono::milliseconds purge_every{60'000};
};

class ledger final : public caf::event_based_actor {
public:
  ledger(caf::actor_config& cfg, const environment& env, journal::commit_log& log,
         caf::actor reader, caf::actor timer, ledger_options options = {});

  const char* name() const override { return "ledger"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  static constexpr std::uint64_t purge_timer = 0;

  struct waiter {
    claim_action ask;
    caf::response_promise promise;
  };
  /// A key that somebody waits for, or whose last word is not durable yet.
  struct entry {
    bool known = false;   ///< `record` is what the store has, or will have
    bool looking = false; ///< the reader has been asked
    std::optional<store::claim> record;
    std::deque<waiter> waiters;
    std::vector<action_settled> early; ///< came before `record` was known
    lsn written = 0;                   ///< the last row about it
    std::uint64_t timer = 0;           ///< of its owner's lease; 0: not armed
  };
  struct grant {
    caf::response_promise promise;
    action_claimed reply;
  };
  using entries = std::map<store::claim_key, entry>;

  void on_claim(claim_action& ask);
  void on_settled(action_settled& s);
  void on_durable(lsn at);
  void on_timer(std::uint64_t id);
  void look_up(const store::claim_key& what, entry& e);
  void apply(entry& e, action_settled& s);
  void serve(const store::claim_key& what, entry& e);
  bool serve_one(entry& e, waiter& w);
  void give(entry& e, waiter& w, bool again, utc_time sent);
  void watch_lease(const store::claim_key& what, entry& e);
  void fail_all(entry& e, const error& why);
  void leave(const store::claim_key& what, const entry& e);
  void sweep();
  void purge();

  const environment& env_;
  journal::commit_log& log_;
  caf::actor reader_;
  caf::actor timer_;
  ledger_options options_;
  entries entries_;
  std::multimap<lsn, grant> grants_;                    ///< answered once durable
  std::deque<std::pair<lsn, store::claim_key>> leaving_; ///< forgotten once durable
  std::map<std::uint64_t, store::claim_key> leases_;    ///< by timer
  std::uint64_t last_timer_ = purge_timer;
  std::uint64_t count_ = 0; ///< claims in the store; exact after each purge
};

} // namespace troupe
