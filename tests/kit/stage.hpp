#pragma once
// A whole troupe in one thread, in virtual time, under a seed.
//
// A bug that shows once in a thousand schedules cannot be found by running a test again. On a stage
// the seed decides which actor runs next and every random number, time jumps to the next timer, and
// a crash can be put at every durable boundary; the same seed gives the same run. The actors are the
// real ones; only disk, clock, chance and what is outside of the process are replaced.
//
//   kit::world world;
//   kit::stage stage{world, kit::play_file("desk/topology.toml", variables)};
//   auto answer = stage.invoke("triage", R"({"id":"T-1"})", "key-1");
//   stage.run_until([&] { return answer->ended; });
//   REQUIRE(answer->value);
//
// Without a topology: `agents` of the test, and `services` that stand where a tool's or a model's
// actor would. With one: all of its actors, assembled as the binary does it (config/assembly.hpp);
// its function tools run inline, HTTP goes to `http`, and `tools` and `models` replace single
// backends. What a topology reaches beyond that has to be doubled.
//
// One stage is one life of the process. After `world.crashed`, `restart` it, or destroy it and make
// another one on the same world.

#include "actors/flow/dispatcher.hpp"
#include "config/topology.hpp"
#include "tests/kit/doubles.hpp"
#include "tests/kit/expect.hpp"
#include "tests/kit/failure.hpp"
#include "tests/kit/sweep.hpp"
#include "tests/kit/world.hpp"

#include <filesystem>
#include <functional>
#include <map>
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
  /// From `play_text` or `play_file`: then its `[dispatcher]` and `[store]` count, not the above.
  std::shared_ptr<const config::topology> topology;
  std::vector<scripted_tool> tools;
  std::vector<scripted_llm> models;
  scripted_http http;
};

/// Options for a topology, its code loaded. A `failure` says what is wrong with it.
/// @param variables what `${NAME}` stands for; the process's own are not looked at
stage_options play_text(std::string_view toml, std::map<std::string, std::string> variables = {});
stage_options play_file(const std::filesystem::path& file,
                        std::map<std::string, std::string> variables = {});

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

  // -- what comes from outside --

  /// Sends an invocation. The answer is filled in by `run`.
  std::shared_ptr<answer> invoke(std::string agent, std::string input, std::string key = {});

  /// Sends any message to the dispatcher; the answer of type `Reply` lands in the result.
  template <class Reply, class Message>
  std::shared_ptr<std::optional<Reply>> ask(Message m);

  // -- time. All of these throw a `failure` when something has happened that nobody planned --

  /// Runs until nothing can happen any more without new input (timers included), until the machine
  /// is dead, or for `virtual_limit`. @returns false when the limit was hit
  bool run(std::chrono::milliseconds virtual_limit = std::chrono::hours{1});
  /// The same, until `done` says so.
  bool run_until(const std::function<bool()>& done,
                 std::chrono::milliseconds virtual_limit = std::chrono::hours{1});
  /// Lets time pass, and what is due happen.
  void advance(std::chrono::milliseconds d);
  /// Runs until nothing is queued, running or asleep; a `failure` names what still is after
  /// `within`, and what waits for a person unless that is allowed.
  void settle(std::chrono::milliseconds within = std::chrono::hours{1},
              bool may_wait_for_people = false);

  // -- expectations: each runs until it is met, and throws a `failure` when it is not `within` --

  /// A message, from now on.
  void expect(const message_pattern& what,
              std::chrono::milliseconds within = std::chrono::minutes{1});
  /// From now on: a `failure` as soon as it comes.
  void forbid(message_pattern what);
  /// An event, of this life.
  void expect(const event_pattern& what,
              std::chrono::milliseconds within = std::chrono::minutes{1});
  /// An entry in the journal of `id`.
  void expect(const std::string& id, const entry_pattern& what,
              std::chrono::milliseconds within = std::chrono::minutes{1});

  // -- crashes --

  /// The machine dies now: nothing runs any more until `restart`.
  void crash();
  /// The next life of the process, on the same world. What was asked of the last one is unanswered;
  /// references into it are void.
  void restart();
  /// The actor of a service dies, as by a bug; its supervisor decides.
  void crash(const std::string& service);
  void crash(const caf::actor& who);
  /// The store refuses all writes, and takes them again.
  void crash_store();
  void restart_store();

  // -- looking --

  utc_time now() const;
  journal::commit_log& log();
  const std::vector<std::string>& trace() const; ///< the events of this life, one line each
  caf::actor dispatcher() const;
  caf::actor_system& system();
  /// For service actors of a test's own: what they are made with, and that they end with the stage.
  const environment& env() const;
  caf::actor timer() const;
  caf::actor keep(caf::actor one);
  /// What the store holds of an invocation now.
  std::vector<journal::entry> journal_of(const std::string& id);
  std::optional<store::record> record_of(const std::string& id);
  /// Open invocations, as `id agent state` lines.
  std::vector<std::string> open();
  /// Why the process would have ended: it was fenced, its root supervisor gave up.
  const std::optional<error>& fatal() const;

private:
  struct parts;
  void post(std::function<void(caf::event_based_actor*)> what);
  void begin_life();
  void end_life();
  world& world_;
  std::unique_ptr<stage_options> options_; ///< refered to by each life
  std::uint64_t lives_ = 0;
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
