#pragma once
// Takes invocations in, starts their actors, and knows where each stands.
//
// The problem: an accepted request must never be lost and never be run twice, however often its
// sender repeats it, the process dies, or the disk fills up; and a flood must be answered with
// "later", not with an ever longer queue. So acceptance is a journal entry that is durable before
// anybody is told; the same idempotency key leads to the first one's answer; depth is bounded; and
// at start everything that was open is taken up again, not all in one moment.
//
// Lifecycle: spawned after the log, the reader and the timer; recovers first, and stashes what
// arrives meanwhile. When a commit fails it drops everything and recovers again from what is
// durable. Threads: an ordinary scheduled actor.

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/flow/dispatcher_options.hpp"
#include "actors/flow/tenant_queue.hpp"
#include "actors/supervision/dead_letter_messages.hpp"
#include "runtime/core/invocation.hpp"
#include "runtime/journal/reader.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/response_promise.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe {

/// What the dispatcher is made with.
struct dispatcher_setup {
  const environment& env;
  journal::commit_log& log;
  caf::actor reader;
  caf::actor timer;
  dispatcher_options options;
  std::vector<agent_options> agents;
  invocation_options invocations;
  /// Finished invocations are forgotten after this time; 0: kept.
  std::chrono::milliseconds retention{std::chrono::hours{24 * 7}};
  /// Called when this process can do nothing any more (it was fenced). May be empty.
  std::function<void(const error&)> on_fatal;
  /// Of tenants that wait for the same agent, by name; who is not in it has 1.
  std::map<std::string, double, std::less<>> tenant_shares{};
};

class dispatcher final : public caf::event_based_actor {
public:
  dispatcher(caf::actor_config& cfg, dispatcher_setup setup);

  const char* name() const override { return "dispatcher"; }
  void on_exit() override;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* ctx) override;

protected:
  caf::behavior make_behavior() override;

private:
  // Timer ids: an invocation's number (with a bit for its deadline or its next life), and our own.
  static constexpr std::uint64_t deadline_bit = std::uint64_t{1} << 62U;
  static constexpr std::uint64_t respawn_bit = std::uint64_t{1} << 61U;
  static constexpr std::uint64_t settle_bit = std::uint64_t{1} << 60U;
  static constexpr std::uint64_t take_up_timer = ~std::uint64_t{0};
  static constexpr std::uint64_t purge_timer = take_up_timer - 1;
  static constexpr std::uint64_t drain_timer = take_up_timer - 2;
  static constexpr std::uint64_t sweep_timer = take_up_timer - 3;

  // Requests kept while recovery reads what is open, or while a key is being looked up.
  static constexpr std::size_t stash_max = 100'000;

  /// Somebody who wants to know: an actor's promise or an observer.
  struct waiter {
    caf::response_promise promise;
    std::shared_ptr<invocation_observer> observer;
    bool wait = false;     ///< for the end; else for acceptance
    bool attached = false;
    bool strict = false;   ///< does not want to be attached
    bool told = false;     ///< the observer knows that it was accepted
  };
  /// A command whose row must be durable before it is answered.
  struct acknowledgement {
    lsn at;
    caf::response_promise promise;
  };
  /// Rarely needed parts of a slot.
  struct extras {
    std::vector<waiter> waiters;
    std::vector<acknowledgement> commands;
    std::vector<invocation_no> children; ///< that it waits for
    std::optional<outcome> ending;
    std::shared_ptr<const journal::started> fresh;
  };
  struct agent_state;
  /// One open invocation.
  struct slot {
    invocation_no no = 0;
    agent_state* agent = nullptr;
    caf::actor actor;               ///< null: queued, passivated or stuck
    store::status state = store::status::queued;
    bool admitted = false;          ///< counts against its agent's concurrency
    bool queued = false;            ///< stands in its agent's queue
    bool keyless = false;           ///< begun, but others have its key now (`yields`)
    bool wants_key = false;         ///< its actor waits in line for it
    bool cancelled = false;         ///< somebody has asked for it
    bool parent_waits = false;
    std::uint32_t sent = 0;         ///< messages to its actor
    std::uint32_t signals = 0;      ///< received, perhaps not consumed
    std::uint32_t depth = 0;        ///< of parents above it
    lsn accepted_at = 0;
    lsn last_row = 0;               ///< whoever begins it must find this one in the store
    lsn ended_at = 0;
    utc_time deadline = never;
    utc_time wake_at = never;
    std::uint64_t input_hash = 0;
    invocation_no parent = 0;
    invocation_no tree = 0;         ///< who began it all; 0: itself
    journal::address parent_at;
    std::uint32_t parent_generation = 0;
    std::string key;
    std::string idempotency_key;
    std::shared_ptr<const std::string> tenant; ///< null: its agent's
    std::unique_ptr<extras> more;
  };
  struct agent_state {
    agent_options options;
    std::uint64_t open = 0;
    std::uint64_t live = 0;
    std::uint64_t in_lines = 0;                         ///< over all keys
    std::uint64_t waiting() const { return queue.size() + in_lines - keys.size(); }
    tenant_queue queue;                                 ///< wait for concurrency
    std::map<std::string, std::deque<invocation_no>> keys; ///< front: has the key
  };
  using slots = std::unordered_map<invocation_no, slot>;

  // -- accepting, in dispatcher_accept.cpp --
  void on_invoke(invoke_request& r);
  void invite(invoke_request& r, waiter w);
  void on_child_requested(child_requested& c);
  void look_up(invoke_request r, std::uint64_t hash, waiter w, std::optional<child_requested> c);
  void accept(invoke_request r, std::uint64_t hash, waiter w, std::optional<child_requested> c);
  bool join(invocation_no no, std::uint64_t hash, waiter& w,
            const std::optional<child_requested>& c);
  bool key_expired(const store::record& r) const;
  void drop_key(const store::record& r);
  void answer_from_journal(const store::record& found, waiter w,
                           std::optional<child_requested> c);
  std::optional<error> refuse(const agent_state* a, bool accepted) const;
  std::chrono::milliseconds retry_after(const agent_state& a) const;
  result<std::string> key_of(const agent_state& a, std::string_view input) const;
  bool holds_own_key(const child_requested& c, const std::string& key) const;
  void refuse_waiter(waiter& w, error why);
  void unstash(const error* why = nullptr);
  void report_child(const child_requested& c, result<std::string> value);

  // -- running, in dispatcher_running.cpp --
  void admit(slot& s);
  void start(slot& s);
  void stand_in_line(slot& s, bool first = false);
  bool is_first(const slot& s) const;
  void take_key(slot& s);
  void give_key(slot& s);
  void release_key(slot& s);
  void on_key_released(const key_released& k);
  void on_key_wanted(const key_wanted& k);
  void next_in_line(agent_state& a);
  void on_durable(const durable& d);
  void on_ended(invocation_ended& e);
  bool keep_end(slot& s, invocation_ended& e);
  void on_died(const invocation_died& d);
  void on_stopped(const invocation_stopped& s);
  void on_passivate(const passivate_me& p);
  void on_timer(std::uint64_t id);
  void wake(slot& s);
  void take_up(slot& s);
  bool wait_for_rows(slot& s);
  bool is_stuck(store::status state) const;
  void tell_parent(const slot& s, const result<std::string>& value);
  void adopt_child(invocation_no parent, invocation_no child);
  void tell_accepted(slot& s);
  void close(slot& s);
  void drop_actor(slot& s);
  void progress(slot& s);
  extras& more(slot& s);
  slot* find(invocation_no no);
  const slot* find(invocation_no no) const;
  slot* find_id(std::string_view id);
  std::string id_of(invocation_no no) const;
  template <class Message>
  void tell(slot& s, Message m) {
    ++s.sent;
    send(s.actor, std::move(m));
  }
  lsn append(store::unit u);
  bool stuck(const slot& s) const;
  std::uint64_t count_stuck() const;
  void check_idle();

  // -- commands, in dispatcher_commands.cpp --
  template <class Message>
  void when_recovered(Message& m, void (dispatcher::*then)(Message&, caf::response_promise));
  void on_await(await_invocation& a, caf::response_promise promise);
  void on_signal(signal_request& r, caf::response_promise promise);
  void on_cancel(cancel_request& r, caf::response_promise promise);
  void cancel(slot& s, journal::cancel_reason why, caf::response_promise* promise);
  void on_retry(retry_request& r, caf::response_promise promise);
  void retry(invocation_no no, const store::record& record, history& h,
             caf::response_promise promise);
  void on_resolve(resolve_request& r, caf::response_promise promise);
  void resolve(slot& s, resolve_request& r, history& h, caf::response_promise promise);
  void acknowledge(slot& s, lsn at, caf::response_promise promise);
  void on_child_abandoned(const child_abandoned& c);
  bool may_retry(const slot& s) const;
  std::optional<store::change> awake(const slot& s) const;
  void tell_all(const error& why);
  dispatcher_stats stats() const;
  void purge();

  // -- conversations that have expired, in dispatcher_sweep.cpp --
  void sweep();
  void sweep(const agent_state& a, const store::old_state& last);
  void forget(const agent_state& a, utc_time before, const std::vector<store::old_state>& old);
  std::set<std::string> busy_keys(const agent_state& a) const;

  // -- dead letters, in dispatcher_letters.cpp --
  void on_file_letter(file_letter& f);
  void on_letter(letter_request& r, caf::response_promise promise);
  void retry_letter(const store::letter& l, caf::response_promise promise);
  void drop_letter(const store::letter& l, caf::response_promise promise);
  void forget_letter(lsn id, caf::response_promise promise);
  void tell_services();

  // -- recovery, in dispatcher_recovery.cpp --
  void recover();
  void load_page(invocation_no after);
  void on_open_page(open_page& page);
  void cancel_orphans();
  void adopt(store::open_entry& e);
  void take_up();
  void on_log_failed(const error& why);
  void on_log_recovered();

  // -- calls abandoned in flight, in dispatcher_unsettled.cpp --
  static constexpr std::size_t nowhere = ~std::size_t{0};
  struct unsettled_call {
    settle_later what;
    std::size_t place = nowhere; ///< in the store
    std::uint32_t rounds = 0;    ///< asked, without an answer
  };
  void on_settle_later(settle_later& s);
  void keep(unsettled_call& call);
  void recover_unsettled(const std::vector<std::string>& stored);
  void settle(std::uint64_t id);
  void ask_again(std::uint64_t id);
  void settled(std::uint64_t id, const reconcile_reply* said);
  void note_reconciled(const settle_later& call, std::string_view state, store::unit& u);

  dispatcher_setup setup_;
  std::shared_ptr<invocation_world> world_;
  caf::actor ledger_;
  std::map<std::string, agent_state, std::less<>> agents_;
  slots slots_;
  std::map<std::pair<std::string, std::string>, invocation_no> keys_; ///< agent + idempotency key
  std::set<std::pair<std::string, std::string>> looking_;
  std::set<invocation_no> out_of_topology_; ///< while recovery reads: open, and of no agent here
  /// Arrived during recovery or a look-up. Called with null to go on, else with why they cannot.
  std::deque<std::function<void(const error*)>> stashed_;
  std::deque<invocation_no> to_take_up_;
  std::multimap<lsn, invocation_no> begin_after_; ///< begin once this row is durable
  std::map<std::uint64_t, unsettled_call> unsettled_; ///< by timer id
  std::vector<std::string> unsettled_stored_;         ///< while recovering: as they were read
  std::vector<bool> places_;                          ///< in the store; true: taken
  std::uint64_t next_unsettled_ = settle_bit;
  std::vector<caf::response_promise> idle_waiters_;
  std::vector<caf::response_promise> drain_waiters_;
  std::multimap<lsn, caf::response_promise> letter_replies_; ///< told once durable
  std::map<std::string, store::old_state> sweeping_; ///< agents with more to forget, and how far it is
  steady_time expired_since_{};
  std::uint32_t expired_filed_ = 0; ///< since then
  invocation_no last_no_ = 0;
  std::uint64_t incarnation_ = 0;
  std::uint64_t ended_count_ = 0;
  std::uint64_t ending_ = 0; ///< ended, and not durably so yet
  steady_time counting_since_{};
  bool recovering_ = true;
  bool draining_ = false;
  std::atomic<std::size_t> mail_{0};
};

} // namespace troupe
