#include "tests/kit/stage.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include "runtime/core/timer.hpp"

#include <algorithm>
#include <random>

namespace troupe::kit {
namespace {

// Virtual runs begin on a fixed day, so that traces do not depend on when they are made.
constexpr utc_time first_day{std::chrono::microseconds{1'700'000'000'000'000}};

// How long a runnable actor may wait for its turn where schedules are explored: longer than a call
// that is answered at once, shorter than any timeout that is meant.
constexpr std::chrono::milliseconds lag_max{20};

// Among actors' numbers.
constexpr std::uint64_t time_itself = ~std::uint64_t{0};

// Jobs between two looks at the limits. A stage that runs this many without time passing is in an
// endless loop.
constexpr std::uint64_t jobs_max = 50'000'000;

class stage_time final : public time_source {
public:
  explicit stage_time(const world& outside) : outside_(outside) {}

  utc_time now() const override { return first_day + before + since() + outside_.wall_ahead; }
  steady_time steady() const override { return steady_time{} + before + since(); }

  std::chrono::microseconds since() const {
    if (clock == nullptr)
      return {};
    return std::chrono::duration_cast<std::chrono::microseconds>(clock->now() - begin);
  }

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

class trace_sink final : public event_sink {
public:
  trace_sink(const stage_time& clock, trace_log& trace) : clock_(clock), trace_(trace) {}
  void write(const event& e) override {
    lines.push_back(to_json_line(e, clock_.now()));
    trace_.add(clock_.before + clock_.since(), e);
  }
  std::vector<std::string> lines;

private:
  const stage_time& clock_;
  trace_log& trace_;
};

struct config : caf::actor_system_config {
  config() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

struct answer_later {
  caf::response_promise to;
  call_reply reply;
};

struct run_this {
  std::shared_ptr<std::function<void(caf::event_based_actor*)>> what;
};

} // namespace
} // namespace troupe::kit

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::answer_later)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::kit::run_this)

namespace troupe::kit {
namespace {

// A service that does what its script says and remembers what was done to it.
caf::behavior service_actor(caf::event_based_actor* self, world* w, scripted_service s) {
  auto calls = std::make_shared<std::uint32_t>(0);
  auto keys = std::make_shared<std::map<call_id, std::string>>();
  return {
    [=](call_request& r) {
      auto promise = self->make_response_promise();
      auto what = s.answer ? s.answer(r, (*calls)++) : scripted_answer{};
      if (!w->crashed)
        w->calls[s.name].push_back(r.key);
      (*keys)[r.id] = r.key;
      if (what.effect)
        w->effect(s.name, r.key, r.body, what.value);
      if (what.silent || w->crashed)
        return;
      self->delayed_send(self, what.latency, answer_later{promise, {std::move(what.value), 1}});
    },
    [](answer_later& a) { a.to.deliver(std::move(a.reply)); },
    [=](const call_cancel& c) { w->cancelled[s.name].push_back((*keys)[c.id]); },
    [=](const reconcile_request& r) {
      if (s.reconcile)
        return s.reconcile(r);
      if (w->count(s.name, r.key) > 0)
        return reconcile_reply{reconcile_state::done, w->answers[s.name][r.key]};
      return reconcile_reply{reconcile_state::not_done, {}};
    },
  };
}

class answer_observer final : public invocation_observer {
public:
  explicit answer_observer(std::shared_ptr<answer> a) : answer_(std::move(a)) {}
  void on_accepted(const std::string& id, bool attached) override {
    answer_->accepted = true;
    answer_->attached = attached;
    answer_->id = id;
  }
  void on_ended(const std::string& id, const outcome& how) override {
    answer_->ended = true;
    answer_->id = id;
    answer_->state = how.state;
    answer_->value = how.value;
  }
  void on_refused(const error& why) override {
    answer_->refused = true;
    answer_->value = why;
  }

private:
  std::shared_ptr<answer> answer_;
};

} // namespace

struct stage::parts {
  parts(world& outside, stage_options o)
    : outside(outside), options(std::move(o)), time(outside), own({.seed = options.seed}),
      order(outside.order ? *outside.order : own),
      chance(outside.order ? order.begin_life() : options.seed), sink(time, outside.trace),
      store(open_store()), env{time, chance, sink, services}, log(*store, env),
      system(settings), scheduler(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {
    time.clock = &scheduler.clock();
    time.begin = idle_at = scheduler.clock().now();
    time.before = outside.elapsed;
    outside.stall = [this](std::chrono::milliseconds d) { pass(d); };
    outside.trace.begin_life([this](std::uint64_t actor) {
      for (auto& name : services.names())
        if (auto found = services.find(name); found && found->handle.id() == actor)
          return name;
      return std::string{};
    });
  }

  std::unique_ptr<store::durable_store> open_store() {
    if (outside.storage)
      return outside.storage->open(chance, time);
    return std::make_unique<store::memory_store>(outside.disk, 1);
  }

  void turn();
  void pass(std::chrono::microseconds d);

  world& outside;
  stage_options options;
  stage_time time;
  schedule own; ///< where the world has none
  schedule& order;
  stage_random chance;
  trace_sink sink;
  directory services;
  std::unique_ptr<store::durable_store> store;
  environment env;
  journal::commit_log log;
  config settings;
  caf::actor_system system;
  caf::scheduler::test_coordinator& scheduler;
  caf::actor reader;
  caf::actor timer;
  caf::actor dispatcher;
  caf::actor client;
  std::vector<caf::actor> actors;
  std::vector<std::uint64_t> runnable; ///< kept, so that a turn allocates nothing
  caf::actor_clock::time_point idle_at{}; ///< when nobody was runnable last
};

// One actor's turn, chosen by the schedule. Where schedules are explored, time is one of those who
// may go: an actor that waits for its turn may find that a little of it has passed.
void stage::parts::turn() {
  auto& jobs = scheduler.jobs;
  auto& clock = scheduler.clock();
  runnable.clear();
  for (auto* job : jobs) {
    auto* who = dynamic_cast<caf::scheduled_actor*>(job);
    runnable.push_back(who == nullptr ? 0 : who->id());
  }
  if (outside.order && !clock.schedule().empty()
      && clock.schedule().begin()->first <= idle_at + lag_max)
    runnable.push_back(time_itself);
  auto step = order.steps();
  auto taken = order.pick(runnable);
  auto now = time.before + time.since();
  if (taken == jobs.size()) {
    outside.trace.add_time(step, now);
    clock.trigger_timeout();
    return;
  }
  if (taken != 0) {
    auto at = jobs.begin() + static_cast<long>(taken);
    std::rotate(jobs.begin(), at, at + 1);
  }
  outside.trace.add(*jobs.front(), step, now, taken != 0);
  scheduler.run_once();
}

// Within a job: its actor is blocked, all others go on.
void stage::parts::pass(std::chrono::microseconds d) {
  auto until = time.since() + d;
  auto& clock = scheduler.clock();
  while (!outside.crashed && (scheduler.has_job() || time.since() < until)) {
    if (scheduler.has_job()) {
      turn();
      continue;
    }
    idle_at = clock.now();
    auto end = clock.now() + (until - time.since());
    if (clock.schedule().empty() || clock.schedule().begin()->first > end)
      clock.advance_time(
        std::chrono::duration_cast<caf::actor_clock::duration_type>(until - time.since()));
    else
      clock.trigger_timeout();
  }
}

stage::stage(world& w, stage_options options)
  : parts_((w.crashed = false, std::make_unique<parts>(w, std::move(options)))) {
  auto& p = *parts_;
  auto journal = p.log.start(p.system);
  p.reader = spawn_reader(p.system, p.log);
  p.timer = spawn_timer(p.system, p.time, p.sink);
  for (auto& s : p.options.services) {
    auto a = p.system.spawn(service_actor, &w, s);
    p.services.put(s.name, w.network ? w.network->before(p.system, a, s.info) : a, s.info);
    p.actors.push_back(a);
  }
  dispatcher_setup setup{p.env,           p.log, p.reader, p.timer, p.options.dispatcher,
                         p.options.agents, p.options.invocations, p.options.retention,
                         p.options.on_fatal};
  p.dispatcher = p.system.spawn<troupe::dispatcher>(std::move(setup));
  p.client = p.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](const run_this& r) { (*r.what)(self); }};
  });
  p.actors.insert(p.actors.end(), {journal, p.reader, p.timer, p.dispatcher, p.client});
}

stage::~stage() {
  auto& p = *parts_;
  p.outside.elapsed += p.time.since();
  // From here on nothing can reach the world: what still runs only ends.
  p.outside.crashed = true;
  p.outside.disk->crash();
  p.outside.stall = {};
  if (p.outside.storage)
    p.outside.storage->power_off();
  for (auto& a : p.actors)
    caf::anon_send_exit(a, caf::exit_reason::kill);
  p.actors.clear();
  p.services.clear();
  p.log.stop();
  p.dispatcher = p.reader = p.timer = p.client = nullptr;
  while (p.scheduler.has_job())
    p.scheduler.run_once();
}

void stage::post(std::function<void(caf::event_based_actor*)> what) {
  caf::anon_send(parts_->client,
                 run_this{std::make_shared<std::function<void(caf::event_based_actor*)>>(
                   std::move(what))});
}

std::shared_ptr<answer> stage::invoke(std::string agent, std::string input, std::string key) {
  auto a = std::make_shared<answer>();
  invoke_request r;
  r.agent = std::move(agent);
  r.input = std::move(input);
  r.idempotency_key = std::move(key);
  r.observer = std::make_shared<answer_observer>(a);
  caf::anon_send(parts_->dispatcher, std::move(r));
  return a;
}

bool stage::run(std::chrono::milliseconds virtual_limit) {
  return run_until([] { return false; }, virtual_limit);
}

bool stage::run_until(const std::function<bool()>& done, std::chrono::milliseconds virtual_limit) {
  auto& p = *parts_;
  auto until = p.time.since() + virtual_limit;
  for (std::uint64_t n = 0; n < jobs_max; ++n) {
    if (p.outside.crashed || done())
      return true;
    if (p.scheduler.has_job()) {
      p.turn();
      continue;
    }
    if (p.time.since() >= until)
      return false;
    auto& clock = p.scheduler.clock();
    if (clock.schedule().empty())
      return true;
    p.idle_at = clock.now();
    auto left = until - p.time.since();
    if (clock.schedule().begin()->first > clock.now() + left)
      clock.advance_time(std::chrono::duration_cast<caf::actor_clock::duration_type>(left));
    else
      clock.trigger_timeout();
  }
  return false;
}

void stage::advance(std::chrono::milliseconds d) {
  auto& p = *parts_;
  auto until = p.time.since() + d;
  // Timers are taken one by one, so that what one of them causes is seen before the next.
  while (p.time.since() < until && !p.outside.crashed) {
    while (p.scheduler.has_job() && !p.outside.crashed)
      p.turn();
    p.idle_at = p.scheduler.clock().now();
    auto step = std::min<std::chrono::microseconds>(until - p.time.since(),
                                                    std::chrono::milliseconds{10});
    p.scheduler.advance_time(step);
  }
}

utc_time stage::now() const {
  return parts_->time.now();
}

journal::commit_log& stage::log() {
  return parts_->log;
}

const std::vector<std::string>& stage::trace() const {
  return parts_->sink.lines;
}

caf::actor stage::dispatcher() const {
  return parts_->dispatcher;
}

caf::actor_system& stage::system() {
  return parts_->system;
}

std::vector<journal::entry> stage::journal_of(const std::string& id) {
  std::vector<journal::entry> all;
  auto no = store::invocation_number(parts_->store->tag(), id);
  if (!no)
    return all;
  auto rows = parts_->store->load(*no);
  if (!rows)
    return all;
  for (auto& r : *rows)
    if (auto row = journal::decode_row(r.at, *no, r.bytes))
      for (auto& e : row->entries)
        all.push_back(std::move(e));
  return all;
}

std::optional<store::record> stage::record_of(const std::string& id) {
  auto no = store::invocation_number(parts_->store->tag(), id);
  auto found = no ? parts_->store->find(*no) : std::optional<store::record>{};
  return found ? *found : std::nullopt;
}

} // namespace troupe::kit
