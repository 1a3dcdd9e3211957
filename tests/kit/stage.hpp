#pragma once
// A whole troupe in one thread, in virtual time, under a seed.
//
// A bug that shows once in a thousand schedules cannot be found by running a test again. On a stage
// the seed decides which actor runs next and every random number, time jumps to the next timer, and
// a crash can be put at every durable boundary; the same seed gives the same run. The actors are the
// real ones; only disk, clock and services are replaced.
//
//   kit::world world;
//   kit::stage stage{world, {.seed = 7, .agents = {{.name = "triage"}}}};
//   auto answer = stage.invoke("triage", R"({"id":"T-1"})", "key-1");
//   stage.run();
//   REQUIRE(answer->value);
//
// One stage is one life of the process. After `world.crashed`, destroy it and make another one on
// the same world.

#include "actors/flow/dispatcher.hpp"
#include "tests/kit/sweep.hpp"
#include "tests/kit/world.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::kit {

struct stage_options {
  std::uint64_t seed = 1;
  std::vector<agent_options> agents;
  std::vector<scripted_service> services;
  dispatcher_options dispatcher;
  invocation_options invocations;
  std::chrono::milliseconds retention{std::chrono::hours{24 * 7}};
  std::function<void(const error&)> on_fatal;
};

/// What has become of a request; filled in while the stage runs.
struct answer {
  bool accepted = false;
  bool attached = false;
  bool ended = false;
  std::string id;
  store::status state = store::status::queued;
  result<std::string> value;     ///< once `ended`, or why it was refused
  bool refused = false;
};

class stage {
public:
  stage(world& w, stage_options options);
  ~stage();
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;

  /// Sends an invocation. The answer is filled in by `run`.
  std::shared_ptr<answer> invoke(std::string agent, std::string input, std::string key = {});

  /// Sends any message to the dispatcher; the answer of type `Reply` lands in the result.
  template <class Reply, class Message>
  std::shared_ptr<std::optional<Reply>> ask(Message m);

  /// Runs until nothing can happen any more without new input (timers included), until the machine
  /// is dead, or for `virtual_limit`. @returns false when the limit was hit
  bool run(std::chrono::milliseconds virtual_limit = std::chrono::hours{1});
  /// The same, until `done` says so.
  bool run_until(const std::function<bool()>& done,
                 std::chrono::milliseconds virtual_limit = std::chrono::hours{1});
  /// Lets time pass, and what is due happen.
  void advance(std::chrono::milliseconds d);

  utc_time now() const;
  journal::commit_log& log();
  const std::vector<std::string>& trace() const; ///< the events, one line each
  caf::actor dispatcher() const;
  caf::actor_system& system();
  /// What the store holds of an invocation now.
  std::vector<journal::entry> journal_of(const std::string& id);
  std::optional<store::record> record_of(const std::string& id);

private:
  struct parts;
  void post(std::function<void(caf::event_based_actor*)> what);
  std::unique_ptr<parts> parts_;
};

template <class Reply, class Message>
std::shared_ptr<std::optional<Reply>> stage::ask(Message m) {
  auto slot = std::make_shared<std::optional<Reply>>();
  auto to = dispatcher();
  post([slot, to, m = std::move(m)](caf::event_based_actor* self) mutable {
    self->request(to, std::chrono::seconds{3600}, std::move(m))
      .then([slot](Reply& r) { slot->emplace(std::move(r)); }, [](const caf::error&) {});
  });
  return slot;
}

} // namespace troupe::kit
