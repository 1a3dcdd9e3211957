#pragma once
// One POST that begins an invocation and is answered later: at its acceptance, at its end, or when
// its time to wait is over. Private to this room.
//
// No actor stands in between: the dispatcher calls this observer, and the answer goes straight to
// the HTTP server. Three threads may come at once (the dispatcher's, the I/O thread when the client
// goes, the helper's when the wait is over); whoever is first answers.

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/gateway/rest_world.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace troupe::gateway {

class waiting_request final : public invocation_observer,
                              public std::enable_shared_from_this<waiting_request> {
public:
  waiting_request(std::shared_ptr<rest_world> world, answer_slot out, bool respond_async)
    : world_(std::move(world)), out_(std::move(out)), respond_async_(respond_async) {}

  /// Stops waiting at `due`, and when the client goes. Called once, before the dispatcher is asked.
  void watch(utc_time due);

  void on_accepted(const std::string& id, bool attached) override;
  void on_ended(const std::string& id, const outcome& how) override;
  void on_refused(const error& why) override;

  /// The wait is over: 202, as soon as it is accepted.
  void give_up();

private:
  void client_gone();
  void answer_accepted(std::unique_lock<std::mutex>& lock);
  void leave_list();
  void unfollow_now();

  std::shared_ptr<rest_world> world_;
  std::mutex mutex_;
  answer_slot out_;
  std::optional<wait_list::place> place_;
  std::string id_;     ///< empty: not accepted yet
  bool respond_async_; ///< or the wait is over
  bool attached_ = false;
  bool gone_ = false; ///< the client has gone
};

} // namespace troupe::gateway
