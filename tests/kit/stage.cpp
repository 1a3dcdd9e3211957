#include "tests/kit/stage.hpp"

#include "tests/kit/stage_parts.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit {
namespace {

// Turns in one run. A stage that does this many without an end is in an endless loop.
constexpr std::uint64_t turns_max = 50'000'000;

/// Turns and events below an expectation that was not met.
constexpr std::size_t shown_max = 20;

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

failure unmet(const std::string& what, std::chrono::milliseconds within, const world& w) {
  return failure{fmt::format("expected {} within {} ms{}\n\nthe last turns\n{}\nthe last events\n{}",
                             what, within.count(), w.crashed ? ", but the machine has died" : "",
                             table_of(w.trace.turns(shown_max)),
                             table_of(w.trace.events(shown_max)))};
}

} // namespace

// -- lives ---------------------------------------------------------------------------------------

stage::stage(world& w, stage_options options)
  : world_(w), options_(std::make_unique<stage_options>(std::move(options))) {
  begin_life();
}

stage::~stage() {
  end_life();
}

void stage::begin_life() {
  world_.crashed = false;
  ++world_.lives;
  parts_ = std::make_unique<parts>(world_, *options_, lives_++);
  try {
    parts_->start();
  } catch (...) {
    end_life();
    throw;
  }
}

void stage::end_life() {
  if (!parts_)
    return;
  parts_->end();
  parts_.reset();
}

void stage::crash() {
  parts_->die();
}

void stage::restart() {
  end_life();
  begin_life();
}

void stage::crash(const std::string& service) {
  auto found = parts_->services.find(service);
  require(found.has_value(), fmt::format("there is no service '{}' that could crash", service));
  crash(found->handle);
}

void stage::crash(const caf::actor& who) {
  caf::anon_send_exit(who, caf::exit_reason::kill);
}

void stage::crash_store() {
  world_.fail_commits = true;
}

void stage::restart_store() {
  world_.fail_commits = false;
}

// -- from outside --------------------------------------------------------------------------------

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
  caf::anon_send(dispatcher(), std::move(r));
  return a;
}

// -- time ----------------------------------------------------------------------------------------

bool stage::run(std::chrono::milliseconds virtual_limit) {
  return run_until([] { return false; }, virtual_limit);
}

bool stage::run_until(const std::function<bool()>& done, std::chrono::milliseconds virtual_limit) {
  auto& p = *parts_;
  auto until = p.time.since() + virtual_limit;
  for (std::uint64_t n = 0; n < turns_max; ++n) {
    p.check();
    if (world_.crashed || done())
      return true;
    if (p.scheduler.has_job()) {
      p.turn();
      continue;
    }
    if (p.time.since() >= until)
      return false;
    if (p.scheduler.clock().schedule().empty())
      return true;
    p.let_time_pass(until);
  }
  return false;
}

void stage::advance(std::chrono::milliseconds d) {
  auto& p = *parts_;
  auto until = p.time.since() + d;
  while (p.time.since() < until && !world_.crashed) {
    while (p.scheduler.has_job() && !world_.crashed) {
      p.turn();
      p.check();
    }
    if (!world_.crashed)
      p.let_time_pass(until);
  }
  p.check();
}

void stage::settle(std::chrono::milliseconds within, bool may_wait_for_people) {
  auto& p = *parts_;
  auto until = p.time.since() + within;
  std::string state = "these have not ended";
  // Idle is asked for again while something was on its way to the dispatcher when it answered.
  while (p.time.since() < until) {
    run_until([&] { return !p.scheduler.has_job(); });
    auto answered = ask<idle>(idle_request{});
    run_until([&] { return answered->has_value(); },
              std::chrono::ceil<std::chrono::milliseconds>(until - p.time.since()));
    run_until([&] { return !p.scheduler.has_job(); });
    if (world_.crashed)
      return;
    if (!answered->has_value())
      break;
    if (open().size() != (*answered)->stuck)
      continue;
    if (may_wait_for_people || (*answered)->stuck == 0)
      return;
    state = "these wait for a person";
    break;
  }
  throw failure{fmt::format("{} after {} ms of virtual time:\n  {}\n\nthe last turns\n{}", state,
                            within.count(), fmt::join(open(), "\n  "),
                            table_of(world_.trace.turns(shown_max)))};
}

// -- expectations --------------------------------------------------------------------------------

void stage::expect(const message_pattern& what, std::chrono::milliseconds within) {
  auto& p = *parts_;
  bool seen = false;
  auto no = ++p.last_watcher;
  p.watchers[no] = [&](auto from, auto to, const auto& m) { seen = seen || what.fits(from, to, m); };
  run_until([&] { return seen; }, within);
  p.watchers.erase(no);
  if (!seen)
    throw unmet(what.describe(), within, world_);
}

void stage::forbid(message_pattern what) {
  parts_->watchers[++parts_->last_watcher]
    = [&w = world_, what = std::move(what)](auto from, auto to, const auto& m) {
        if (what.fits(from, to, m))
          w.problem(fmt::format("{} came, from {} to {}, which is forbidden", what.describe(), from,
                                to));
      };
}

void stage::expect(const event_pattern& what, std::chrono::milliseconds within) {
  std::size_t looked = 0;
  auto seen = [&] {
    const auto& all = parts_->events.all();
    for (; looked < all.size(); ++looked)
      if (what.fits(all[looked].what))
        return true;
    return false;
  };
  run_until(seen, within);
  if (!seen())
    throw unmet(what.describe(), within, world_);
}

void stage::expect(const std::string& id, const entry_pattern& what,
                   std::chrono::milliseconds within) {
  auto commits = ~std::uint64_t{0};
  auto seen = [&] {
    // Looked for again only when something was written.
    auto now = parts_->troupe->log().durable_lsn();
    if (std::exchange(commits, now) == now)
      return false;
    auto all = journal_of(id);
    return std::any_of(all.begin(), all.end(), what.fits);
  };
  bool found = false;
  run_until([&] { return found = seen(); }, within);
  if (!found)
    throw unmet(fmt::format("an entry {} in the journal of {}", what.type, id), within, world_);
}

// -- looking -------------------------------------------------------------------------------------

utc_time stage::now() const {
  return parts_->time.now();
}

journal::commit_log& stage::log() {
  return parts_->troupe->log();
}

const std::vector<std::string>& stage::trace() const {
  return parts_->events.lines();
}

caf::actor stage::dispatcher() const {
  return parts_->troupe->dispatcher();
}

caf::actor_system& stage::system() {
  return parts_->system;
}

const environment& stage::env() const {
  return parts_->env;
}

caf::actor stage::timer() const {
  return parts_->troupe->timer();
}

caf::actor stage::keep(caf::actor one) {
  parts_->actors.push_back(one);
  return one;
}

const std::optional<error>& stage::fatal() const {
  return parts_->fatal;
}

std::vector<journal::entry> stage::journal_of(const std::string& id) {
  std::vector<journal::entry> all;
  auto& store = *parts_->store;
  auto no = store::invocation_number(store.tag(), id);
  if (!no)
    return all;
  auto rows = store.load(*no);
  if (!rows)
    return all;
  for (auto& r : *rows)
    if (auto row = journal::decode_row(r.at, *no, r.bytes))
      for (auto& e : row->entries)
        all.push_back(std::move(e));
  return all;
}

std::optional<store::record> stage::record_of(const std::string& id) {
  auto& store = *parts_->store;
  auto no = store::invocation_number(store.tag(), id);
  auto found = no ? store.find(*no) : std::optional<store::record>{};
  return found ? *found : std::nullopt;
}

std::vector<std::string> stage::open() {
  std::vector<std::string> out;
  auto& store = *parts_->store;
  if (auto all = store.open_after(0, store::list_max))
    for (const auto& e : *all)
      out.push_back(fmt::format("{} {} {}", store::invocation_id(store.tag(), e.no), e.agent,
                                to_string(e.state)));
  return out;
}

} // namespace troupe::kit
