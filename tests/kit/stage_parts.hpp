#pragma once
// One life of a stage. Private to this folder; see stage.hpp.

#include "config/assembly.hpp"
#include "runtime/core/stream_hub.hpp"
#include "tests/kit/outside.hpp"
#include "tests/kit/stage.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <random>

namespace troupe::kit {

/// Virtual: goes on over lives, as clocks do.
class stage_time final : public time_source {
public:
  explicit stage_time(const world& outside) : outside_(outside) {}

  utc_time now() const override;
  steady_time steady() const override { return steady_time{} + of_world(); }
  /// Since this life began, and since the world did.
  std::chrono::microseconds since() const;
  std::chrono::microseconds of_world() const { return before + since(); }

  caf::actor_clock* clock = nullptr;
  caf::actor_clock::time_point begin{};
  std::chrono::microseconds before{0};

private:
  const world& outside_;
};

class stage_random final : public random_source {
public:
  explicit stage_random(std::uint64_t seed) : generator_(seed) {}
  std::uint64_t next() override { return generator_(); }

private:
  std::mt19937_64 generator_;
};

/// Keeps the events of a life; the world's trace has the latest of all lives.
class stage_events final : public event_sink {
public:
  stage_events(const stage_time& clock, trace_log& trace) : clock_(clock), trace_(trace) {}
  void write(const event& e) override;
  const std::vector<seen_event>& all() const noexcept { return all_; }
  /// As JSON lines, made when they are asked for.
  const std::vector<std::string>& lines();

private:
  const stage_time& clock_;
  trace_log& trace_;
  std::vector<seen_event> all_;
  std::vector<utc_time> times_;
  std::vector<std::string> lines_;
};

struct stage_system_config : caf::actor_system_config {
  stage_system_config();
};

struct stage::parts {
  parts(world& outside, const stage_options& o, std::uint64_t lives);

  // -- a life --
  void start();
  void end();
  void die();
  void on_fatal(const error& why);
  std::unique_ptr<store::durable_store> open_store();
  config::backend_factories doubles();
  result<tool_parts> make_tool(const tool_options& o, const config::backend_setup& with);

  // -- time and turns --
  void turn();
  void pass(std::chrono::microseconds d);
  bool let_time_pass(std::chrono::microseconds until);
  void look_at(caf::resumable& job);
  void check() const;
  void later(std::chrono::milliseconds d, std::function<void()> what);

  using watcher = std::function<void(std::string_view from, std::string_view to,
                                     const caf::type_erased_tuple& what)>;

  world& outside;
  const stage_options& options;
  stage_time time;
  schedule own; ///< where the world has none
  schedule& order;
  stage_random chance;
  stage_events events;
  directory services;
  stream_hub streams;
  std::unique_ptr<store::durable_store> store;
  environment env;
  config::topology plays; ///< what the assembly refers to
  stage_system_config settings;
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  std::shared_ptr<stage_outside> outside_view;
  std::unique_ptr<config::assembly> troupe;
  caf::actor client;
  std::vector<caf::actor> actors; ///< that end with the life
  std::map<std::uint64_t, watcher> watchers;
  std::uint64_t last_watcher = 0;
  std::vector<std::uint64_t> runnable; ///< kept, so that a turn allocates nothing
  caf::actor_clock::time_point idle_at{}; ///< when nobody was runnable last
  std::uint64_t turns = 0;
  std::optional<error> fatal;
  bool ending = false;
};

/// The actor through which everything outside speaks; runs `run_this`.
caf::actor spawn_client(caf::actor_system& system);

/// To the client.
struct run_this {
  std::shared_ptr<std::function<void(caf::event_based_actor*)>> what;
};

/// A service of the test, as an actor.
caf::actor spawn_service(caf::actor_system& system, world& w, scripted_service s);

} // namespace troupe::kit

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::run_this)
