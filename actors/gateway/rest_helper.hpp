#pragma once
// The gateway's actor: answers what takes more than one message to find out. Private to this room.
//
// Requests that begin invocations never come here (see waiting_request.hpp); what does are the few
// of people and their tools: lists, journals, commands, streams of events.

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/gateway/completion_request.hpp"
#include "actors/gateway/rest_world.hpp"
#include "actors/gateway/word_line.hpp"
#include "runtime/core/async.hpp"
#include "runtime/journal/reader.hpp"

#include <caf/event_based_actor.hpp>

#include <atomic>
#include <map>

namespace troupe {
struct limiter_info;
}

namespace troupe::gateway {

/// To the helper: end every stream, the process is about to stop.
struct end_streams {};

/// To the helper: the client of this follower has gone.
struct follower_gone {
  std::uint64_t follower = 0;
};

/// Passes what the dispatcher says of a followed invocation on to the helper.
class progress_observer final : public invocation_observer {
public:
  progress_observer(caf::actor helper, std::uint64_t follower)
    : helper_(std::move(helper)), follower_(follower) {}

  void on_accepted(const std::string&, bool) override { tell(false); }
  void on_ended(const std::string&, const outcome&) override { tell(true); }
  void on_refused(const error&) override { tell(true); }
  void on_progress() override { tell(false); }

  /// The helper has had the message: the next progress sends another.
  void taken() noexcept { told_ = false; }

private:
  void tell(bool over);

  caf::actor helper_;
  std::uint64_t follower_;
  std::atomic<bool> told_{false};
};

/// To the helper: words of a followed invocation could not be written at once.
struct words_came {
  std::uint64_t follower = 0;
};

class rest_helper final : public caf::event_based_actor {
public:
  rest_helper(caf::actor_config& cfg, std::shared_ptr<rest_world> world);

  const char* name() const override { return "gateway"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  using exchange_ptr = std::shared_ptr<exchange>;

  /// One open stream.
  struct follower {
    std::string id; ///< of the invocation
    invocation_no no = 0;
    std::shared_ptr<word_line> line = std::make_shared<word_line>();
    std::shared_ptr<progress_observer> observer;
    std::string last_id; ///< of the last event that was sent
    bool cancels = false; ///< who goes takes the invocation along
    bool children = false; ///< the words of its children as well
    bool once = false;   ///< only what is there now
    bool behind = false; ///< its client reads too slowly for words
    bool loading = false;
    bool dirty = false;
    bool over = false;
  };

  async<void> serve(exchange_ptr x);
  async<void> list(exchange_ptr x);
  async<void> show(exchange_ptr x);
  async<void> journal(exchange_ptr x);
  async<void> command(exchange_ptr x);
  async<void> ready(exchange_ptr x);
  async<void> breakers(exchange_ptr x);
  async<void> breaker(exchange_ptr x);
  result<std::string> breaker_named(const std::string& name) const;
  async<void> limits(exchange_ptr x);
  async<std::vector<limiter_info>> ask_limiters();
  async<void> measure_limits();
  async<void> metrics(exchange_ptr x);
  async<void> follow(exchange_ptr x);
  async<void> speak(std::shared_ptr<completion_start> start);
  async<void> letters(exchange_ptr x);
  async<void> letter_command(exchange_ptr x, lsn id);
  async<void> pump(std::uint64_t id);

  async<result<store::record>> find(std::string id);
  async<result<command_reply>> carry_out(exchange_ptr x);
  result<resolve_request> read_resolve(const exchange& x) const;
  std::string class_of(std::string_view agent) const;
  result<store::filter> read_filter(std::string_view query) const;
  void on_timer(std::uint64_t id);
  void on_progress(std::uint64_t id, bool over);
  void on_words(std::uint64_t id);
  bool send_words(std::uint64_t id, follower& f, bool last);
  void open_stream(follower f);
  bool send_events(follower& f, const std::vector<troupe::journal::row>& rows);
  static bool has_spoken(const follower& f);
  void break_off(follower& f);
  void drop(std::uint64_t id);
  void arm(std::uint64_t id, std::chrono::milliseconds in);

  std::shared_ptr<rest_world> world_;
  std::map<std::uint64_t, follower> followers_;
  std::uint64_t last_follower_ = 0;
  scope scope_;
};

} // namespace troupe::gateway

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::end_streams)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::follower_gone)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::words_came)
