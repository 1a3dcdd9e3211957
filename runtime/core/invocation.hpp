#pragma once
// One run of an agent on one input: an actor that holds one coroutine and its journal.
//
// The problem: a process may die at any moment between "the tool was called" and "the answer was
// used", and the next process must go on without doing anything twice. So the coroutine never
// touches the world: it asks this actor, which journals what was asked (command), lets nothing out
// before that is durable (gate), journals what came back (completion), and only then resumes the
// coroutine. A new process feeds the same completions to a new coroutine in the same order.
//
// Lifecycle: spawned by the dispatcher with the input or with nothing (then it loads its journal);
// replays, goes live, ends; or passivates while it waits for long, and is spawned again later.
// Threads: an ordinary scheduled actor; everything below runs in its handlers.
//
// What the journal means is specified in runtime/journal/README.md.

#include "runtime/core/agent.hpp"
#include "runtime/core/env.hpp"
#include "runtime/core/ledger_messages.hpp"
#include "runtime/journal/log.hpp"
#include "runtime/journal/replay.hpp"

#include <caf/event_based_actor.hpp>

#include <boost/container/flat_map.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// Bounds of every invocation.
struct invocation_options {
  /// Payloads above this go to the blob table: rows stay small, equal payloads are stored once.
  std::size_t inline_max = 4096;
  /// Journal entries of one generation: a warning, and the end. Replay time grows with them.
  std::uint32_t entries_warn = 1'000;
  std::uint32_t entries_max = 50'000;
  /// Generations whose journal is kept.
  std::uint32_t generations_kept = 5;
  /// After a cancellation was delivered, so long may the agent still clean up.
  std::chrono::milliseconds cancel_grace{30'000};
  /// Deaths at one address before it is quarantined.
  std::uint32_t deaths_max = 3;
  /// How often an effect that surely did not happen is sent again before the agent is told.
  std::uint8_t reissues_max = 3;
};

/// What all invocations of one troupe share.
struct invocation_world {
  const environment& env;
  journal::commit_log& log;
  caf::actor reader;
  caf::actor timer;
  caf::actor dispatcher;
  caf::actor ledger; ///< of business keys
  invocation_options options;
  /// Recorded completions that were served instead of calling anybody, since the start.
  mutable std::atomic<std::uint64_t> replayed{0};
};

/// Who it is.
struct invocation_identity {
  invocation_no no = 0;
  std::string id;             ///< `k3f9x2-17`
  std::string agent;          ///< as the topology names it
  invocation_no tree = 0;     ///< the invocation that began it all; 0: itself
  std::shared_ptr<const std::string> tenant{}; ///< for whom; null: its agent's
  std::string key;            ///< of a keyed agent
  const agent_class* cls = nullptr;
  utc_time deadline = never;
  /// Waiting longer than this, it gives its memory back. 0: never.
  std::chrono::milliseconds passivate_after{2'000};
  /// Of the log, as its dispatcher knew it: what the log has dropped since must not be built on.
  std::uint64_t incarnation = 0;
  /// Keyed agents: it gives its key away while it waits for a signal; and whether it has it now.
  bool yields = false;
  bool has_key = true;
};

/// To an invocation: begin. `fresh` is set for one that was accepted just now and has no more
/// journal than that; it is null otherwise.
struct begin_invocation {
  std::shared_ptr<const journal::started> fresh;
};

class invocation final : public caf::event_based_actor, public context {
public:
  invocation(caf::actor_config& cfg, std::shared_ptr<const invocation_world> world,
             invocation_identity who);
  ~invocation() override;

  const char* name() const override { return "invocation"; }
  void on_exit() override;

  // -- context: what the coroutine asks for --
  bool issue(effect_base& e) override;
  void abandon(effect_base& e) noexcept override;

protected:
  caf::behavior make_behavior() override;

private:
  using phase = effect_base::phase;

  // Timer ids that are not an effect's.
  static constexpr std::uint64_t idle_timer = 0;
  static constexpr std::uint64_t grace_timer = ~std::uint64_t{0};

  // What can be delivered to the coroutine.
  struct ready_item {
    std::uint64_t id;
    result<std::string> value;
    std::uint64_t signal = 0;
    bool shared = false; ///< another effect's answer, by business key
  };

  // -- handlers, in invocation.cpp --
  void on_begin(const begin_invocation& b);
  void on_history(history& h);
  void read_failed(error why);
  void on_durable(const durable& d);
  void on_timer(std::uint64_t id);
  void on_child(child_reported& c);
  void count_command();
  void on_signal(signal_arrived& s);
  void on_cancel(journal::cancel_reason reason);
  void on_resolution(const journal::resolved& r);
  void on_passivation(bool go);
  void on_key_granted();

  // -- the coroutine's life, in invocation_life.cpp --
  void begin_generation(std::string_view input, const std::string& state);
  void begin_again(const journal::replay& past, effect_base& e);
  void advance();
  void run_coroutine();
  void replay_next();
  bool deliver_ready();
  void deliver(effect_base& e, result<std::string> value, bool shared = false);
  void go_live();
  void root_ended();
  void next_generation(std::string state);
  void begin_next();
  void finish(store::status state, result<std::string> value);
  void die(std::string what);
  void quarantine(std::string why, std::uint32_t deaths);
  void pause(error why);
  bool end_turn();
  bool waits_for_decision() const;
  void mark_suspended();
  void shrink();
  void leave_or_wait(utc_time now);
  bool may_yield() const;
  void want_key();
  void arm_grace();
  void drop_coroutine() noexcept;

  // -- the journal's side, in invocation_journal.cpp --
  lsn flush(bool tell_dispatcher = false);
  bool held_back(const store::unit& u);
  void let_go();
  store::aside& beside();
  void record(const journal::command& c);
  void record_completion(const effect_base& e, const ready_item& r);
  void record_note(std::string name, std::string detail);
  journal::payload keep(std::string text);
  journal::payload keep_chain(const std::vector<std::string>& items);
  journal::payload keep_state(std::string text);
  store::change change_to(store::status s, utc_time wake_at = never) const;
  void count_entry();
  store::unit& extra();

  // -- business keys, in invocation_claims.cpp --
  result<void> find_business_key(effect_base& e, const service_info& service) const;
  bool must_claim(const effect_base& e) const;
  void claim(effect_base& e, bool renewed);
  void on_claimed(std::uint64_t id, action_claimed& a);
  void release_unused(const store::claim_key& what, const store::claimant& by,
                      const action_claimed& a);
  void close_claim(effect_base& e, const result<std::string>& outcome);
  void close_claim(effect_base& e, store::settling how, std::string answer = {},
                   std::optional<error> failure = {});
  void abandon_claim(effect_base& e);
  void write_settlement(store::settlement s, std::optional<error> failure);
  store::claimant claimant_of(const effect_base& e) const;

  // -- sagas, in invocation_saga.cpp --
  void note_undone(const effect_base& e);
  bool undo_failed(effect_base& e, const result<std::string>& outcome);
  bool undoing() const;

  // -- effects, in invocation_issue.cpp and invocation_effects.cpp --
  bool issue_patched(effect_base& e);
  bool issue_local(effect_base& e);
  bool issue_replayed(effect_base& e);
  bool issue_live(effect_base& e);
  std::string produce(const effect_base& e);
  void start(effect_base& e);
  void start_run(effect_base& e);
  void start_call(effect_base& e);
  void go_on(effect_base& e);
  void start_child(effect_base& e);
  void start_again(effect_base& e);
  void begin_when_durable(effect_base& e);
  void reissue(effect_base& e);
  reconcile_request question_about(const effect_base& e) const;
  bool resume_unsettled(effect_base& e, const journal::command& c);
  bool key_taken(const effect_base& e, std::uint64_t arguments);
  bool in_doubt(const effect_base& e) const;
  void settle(effect_base& e, std::string_view why);
  void on_reply(std::uint64_t id, call_reply& r);
  void on_reconciled(std::uint64_t id, const reconcile_reply& r);
  void on_no_answer(std::uint64_t id);
  std::chrono::microseconds time_to_land(const effect_base& e) const;
  void park(effect_base& e, std::string why);
  void apply_resolution(effect_base& e, const journal::resolved& r);
  void match_signals();
  void deliver_cancel();
  void cancel_in_flight(effect_base& e) noexcept;
  void end_stream(const effect_base& e, const result<std::string>& outcome) const;
  void make_ready(effect_base& e, result<std::string> value, std::uint64_t signal = 0);
  void take_fallback(effect_base& e, result<std::string> value);
  void share_answer(effect_base& e, const store::claimant& from, result<std::string> value);
  void serve_carried(const journal::replay& past, effect_base& e, const journal::completion& got);
  std::string service_of(const effect_base& e) const;
  std::string key_of(const effect_base& e) const;
  bool all_passive() const;
  utc_time next_wake() const;
  void nondeterministic(std::string asked);

  effect_base* find(std::uint64_t id) noexcept;
  effect_base* find(const journal::address& at) noexcept;
  void event_line(level l, std::string_view name, const effect_base* e, std::string result,
                  std::vector<std::pair<std::string, std::string>> fields = {}) const;

  std::shared_ptr<const invocation_world> shared_;
  const invocation_world& world_;
  invocation_identity who_;
  std::unique_ptr<journal::replay> replay_;  ///< null once live
  std::unique_ptr<journal::replay> carried_; ///< of a retry: what the run before had
  struct next_begin {
    std::string input;
    std::string state;
  };
  std::unique_ptr<next_begin> next_; ///< the generation that begins once its row is durable
  std::unique_ptr<agent_base> agent_;
  std::unique_ptr<detail::branch> root_;
  boost::container::flat_map<std::uint64_t, effect_base*> pending_;
  std::vector<ready_item> ready_; ///< in order; short, and a deque would cost 600 bytes when empty
  std::vector<std::uint64_t> gated_;    ///< commands that wait to be durable
  std::vector<std::uint64_t> starting_; ///< not outputs: begin right after the flush
  std::vector<journal::waiting_signal> signals_;
  std::vector<std::pair<std::string, bool>> patches_;
  std::vector<lsn> generation_rows_;
  std::vector<journal::died> deaths_;
  std::vector<journal::resolved> decisions_; ///< came while the journal was being loaded
  /// Business keys, by service, and the arguments that they stand for.
  boost::container::flat_map<std::string, std::uint64_t> business_keys_;
  // Said once the row that they follow from has been appended.
  std::vector<child_abandoned> orphans_;
  std::vector<settle_later> unsettled_;
  std::vector<action_settled> settled_;

  journal::row_writer out_;
  std::unique_ptr<store::unit> extra_;  ///< what the next unit carries beside its row
  std::unique_ptr<error> halt_;         ///< why the coroutine must not go on
  std::uint64_t next_id_ = 1;
  std::uint64_t last_signal_ = 0;
  lsn last_lsn_ = 0;                    ///< of its last row
  lsn durable_ = 0;                     ///< up to where it was told that its rows are durable
  std::uint32_t run_ = 0;
  std::uint32_t generation_ = 0;
  std::uint32_t entries_ = 0;
  std::uint32_t saga_steps_ = 0;        ///< issued in this generation
  std::uint32_t received_ = 0;          ///< messages from the dispatcher
  std::uint32_t flying_ = 0;            ///< calls without an answer, losers of races among them
  journal::address last_at_;
  journal::cancel_reason cancel_reason_{};
  bool begun_ = false;
  bool live_ = false;
  bool cancel_asked_ = false;
  bool cancelled_ = false;
  bool over_ = false;                   ///< finished, dead or paused: only waits to quit
  bool has_key_ = true;
  bool key_asked_ = false;
  lsn key_until_ = 0;                   ///< the row with which it gives its key away
  bool idle_armed_ = false;
  bool leaving_ = false;                ///< has asked to be passivated
  bool suspended_ = false;              ///< the store says so
  bool stale_status_ = false;           ///< the store may say something else than `running`
  bool fresh_ = false;
  bool warned_ = false;
  bool too_long_ = false;               ///< the generation is over its bound
  bool tearing_down_ = false;           ///< what is abandoned now will be begun again
  utc_time idle_since_{};
  bool tell_me_ = false;                ///< the next flush asks to be told
  bool emitted_ = false;                ///< followers wait for the next flush to be durable
  bool timers_armed_ = false;
  std::uint32_t chain_length_ = 0;      ///< of the last model call's messages, already stored
  digest chain_head_{};
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::begin_invocation)
