// How a stage runs: turns of actors, and time between them.

#include "tests/kit/stage_parts.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kit {
namespace {

// How long a runnable actor may wait for its turn where schedules are explored: longer than a call
// that is answered at once, shorter than any timeout that is meant.
constexpr std::chrono::milliseconds lag_max{20};

// Among actors' numbers.
constexpr std::uint64_t time_itself = ~std::uint64_t{0};

/// Turns and events in a message about something that nobody planned.
constexpr std::size_t shown_max = 20;

} // namespace

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
  if (taken == jobs.size()) {
    outside.trace.add_time(step, time.of_world());
    clock.trigger_timeout();
    return;
  }
  if (taken != 0) {
    auto at = jobs.begin() + static_cast<long>(taken);
    std::rotate(jobs.begin(), at, at + 1);
  }
  outside.trace.add(*jobs.front(), step, time.of_world(), taken != 0);
  if (!watchers.empty())
    look_at(*jobs.front());
  scheduler.run_once();
  if (outside.crash_in_recovery != 0 && outside.boundary_crashes == 1
      && ++turns == outside.crash_in_recovery) {
    outside.crash_in_recovery = 0;
    die();
  }
}

void stage::parts::look_at(caf::resumable& job) {
  auto* who = dynamic_cast<caf::scheduled_actor*>(&job);
  auto* what = who == nullptr ? nullptr : who->peek_at_next_mailbox_element();
  if (what == nullptr)
    return;
  auto last = outside.trace.turns(1);
  for (auto& [_, w] : watchers)
    w(last.back().from, last.back().to, what->content());
}

// Within a job: its actor is blocked, all others go on.
void stage::parts::pass(std::chrono::microseconds d) {
  auto until = time.since() + d;
  while (!outside.crashed && (scheduler.has_job() || time.since() < until))
    if (scheduler.has_job())
      turn();
    else
      let_time_pass(until);
}

/// To the next timer, or to `until` if that is earlier. @returns false where no timer is left
bool stage::parts::let_time_pass(std::chrono::microseconds until) {
  auto& clock = scheduler.clock();
  auto left = until - time.since();
  auto none = clock.schedule().empty();
  idle_at = clock.now();
  if (none || clock.schedule().begin()->first > clock.now() + left)
    clock.advance_time(std::chrono::duration_cast<caf::actor_clock::duration_type>(left));
  else
    clock.trigger_timeout();
  return !none;
}

void stage::parts::check() const {
  if (outside.problems.empty())
    return;
  throw failure{fmt::format("{}\n\nthe last turns\n{}\nthe last events\n{}",
                            fmt::join(outside.problems, "\n"),
                            table_of(outside.trace.turns(shown_max)),
                            table_of(outside.trace.events(shown_max)))};
}

void stage::parts::later(std::chrono::milliseconds d, std::function<void()> what) {
  if (ending)
    return;
  auto run = run_this{std::make_shared<std::function<void(caf::event_based_actor*)>>(
    [what = std::move(what)](caf::event_based_actor*) { what(); })};
  if (d <= std::chrono::milliseconds{0})
    caf::anon_send(client, std::move(run));
  else
    caf::delayed_anon_send(client, d, std::move(run));
}

} // namespace troupe::kit
