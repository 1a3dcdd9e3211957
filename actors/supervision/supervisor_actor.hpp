#pragma once
// The supervisor's actor. Private to actors/supervision; see supervisor.hpp.
//
// Each recovery is a coroutine over a range of children: stop what still lives, wait, start again.
// A recovery that is begun while another one waits takes its children over (`child::recovery` names
// the one that counts), and the other ends without doing anything more.

#include "actors/supervision/restart_policy.hpp"
#include "actors/supervision/stand_in.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/async.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/messages.hpp"

#include <caf/event_based_actor.hpp>

#include <optional>
#include <unordered_map>

namespace troupe {

class supervisor_actor final : public caf::event_based_actor {
public:
  /// @param started says how the first start of the children went
  supervisor_actor(caf::actor_config& cfg, supervisor_setup setup, result<void>* started);

  const char* name() const override { return "supervisor"; }
  void on_exit() override;

protected:
  caf::behavior make_behavior() override;

private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct child {
    explicit child(child_spec s) : spec(std::move(s)) {}

    child_spec spec;
    caf::actor handle;   ///< null while it is down
    caf::actor stand_in; ///< null until it died once
    checkpoint_history checkpoints{checkpoints_kept};
    steady_time started{};
    std::uint32_t step = 0; ///< of the backoff
    std::uint64_t recovery = 0;
    bool stopping = false;
    bool ended = false;
  };

  /// Waits for the end of a child, or (`none`) just for some time; true when the child is down.
  struct waiter {
    waiter(supervisor_actor* s, std::size_t which, std::chrono::milliseconds longest)
      : self(s), child(which), time(longest) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
      chain = h.promise().on->id;
      self->begin_wait(*this);
    }
    bool await_resume() const noexcept { return down; }

    supervisor_actor* self;
    std::size_t child;
    std::chrono::milliseconds time;
    std::uint64_t chain = 0;
    bool down = false;
  };

  void on_down(const caf::down_msg& d);
  void on_death(std::size_t at, const caf::error& reason);
  void on_ended(std::size_t at, std::string why);
  void on_exit_asked(const caf::error& reason);
  void on_checkpoint(save_checkpoint& s);

  bool count_restart(std::size_t at, const std::string& why);
  async<void> recover(std::size_t first, std::size_t last, std::size_t cause, std::string why);
  result<void> start_range(std::size_t first, std::size_t last);
  result<void> start(child& c);
  void hold_mail_of(child& c);

  async<void> stop_all(caf::error reason);
  async<void> stop_range(std::size_t first, std::size_t last);
  async<void> stop(std::size_t at);

  waiter wait_for(std::size_t at, std::chrono::milliseconds longest) {
    return waiter{this, at, longest};
  }
  void begin_wait(waiter& w);
  void wake(std::uint64_t id, bool down);

  void report(level l, std::string_view name, const child& c, std::string why,
              std::optional<std::chrono::milliseconds> delay = {},
              std::string checkpoint = {}) const;

  const environment& env_;
  supervisor_options options_;
  caf::actor timer_;
  std::function<void(const error&)> on_give_up_;
  std::vector<child> children_;
  restart_window window_;
  std::optional<error> gave_up_;
  std::unordered_map<std::uint64_t, waiter*> waits_; ///< into frames of `scope_`
  std::uint64_t last_wait_ = 0;
  std::uint64_t last_recovery_ = 0;
  /// While it stops: whoever started it may let go, and its children, which hold it too, end. An actor
  /// that nobody holds is destroyed where it stands, and must not send from there.
  caf::actor myself_;
  bool stopping_ = false;
  scope scope_; ///< last: coroutines end before what they use
};

} // namespace troupe
