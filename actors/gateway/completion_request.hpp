#pragma once
// One POST of Chat Completions, from its arrival to its answer or to the follower that streams it.
// Private to this room.
//
// Like waiting_request no actor stands in between; unlike there, a client that goes away takes its
// invocation with it (`[gateway] cancel_on_disconnect`): nobody else knows of it. One that was
// begun by an earlier request with the same Idempotency-Key stays.

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/gateway/completions.hpp"
#include "actors/gateway/rest_world.hpp"

#include <memory>
#include <mutex>
#include <string>

namespace troupe::gateway {

/// To the helper: follow this invocation in the form of Chat Completions.
struct completion_start {
  std::string id;
  completion_head head;
  answer_slot out;
  bool usage = false;
  bool talks = false;
  bool cancels = false; ///< who goes takes it along
};
struct speak_completion {
  std::shared_ptr<completion_start> what;
};

class completion_request final : public invocation_observer,
                                 public std::enable_shared_from_this<completion_request> {
public:
  completion_request(std::shared_ptr<rest_world> world, answer_slot out, completion_ask ask,
                     bool talks);

  /// Notices when the client goes. Called once, before the dispatcher is asked.
  void watch();

  void on_accepted(const std::string& id, bool attached) override;
  void on_ended(const std::string& id, const outcome& how) override;
  void on_refused(const error& why) override;

private:
  void client_gone();
  void leave(bool cancels);

  std::shared_ptr<rest_world> world_;
  const completion_ask ask_;
  const bool talks_;
  std::mutex mutex_;
  answer_slot out_;
  completion_head head_;
  std::string id_; ///< empty: not accepted yet
  bool attached_ = false;
  bool gone_ = false;
};

} // namespace troupe::gateway

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::gateway::speak_completion)
