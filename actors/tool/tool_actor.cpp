#include "actors/tool/tool_actor.hpp"

#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// The one timer of a tool: towards the earliest of what its calls wait for.
constexpr std::uint64_t wait_timer = 1;

/// Bounds of the wait that a refused caller is told.
constexpr milliseconds come_back_min{100};
constexpr milliseconds come_back_max{30'000};

/// What a restarted tool goes on with.
struct tool_state {
  std::uint32_t tokens = 0;
  std::vector<dead_letters::letter> letters;
};
BOOST_DESCRIBE_STRUCT(tool_state, (), (tokens, letters))

} // namespace

tool_actor::tool_actor(caf::actor_config& cfg, tool_setup setup,
                       std::optional<schema_validator> schema)
  : bounded_actor(cfg, tool_mailbox_max),
    env_(setup.env),
    options_(std::move(setup.options)),
    parts_(std::move(setup.parts)),
    timer_(std::move(setup.timer)),
    supervisor_(std::move(setup.supervisor)),
    child_id_(std::move(setup.child_id)),
    service_(tool_service_name(options_.name)),
    schema_(std::move(schema)),
    budget_(options_.retry),
    // A backend outlives its actors: ids must not meet those of the one before.
    last_attempt_(setup.env.random.next()) {
  restore(setup.checkpoint);
}

caf::behavior tool_actor::make_behavior() {
  set_default_handler(caf::drop);
  set_exception_handler([this](std::exception_ptr& thrown) { return on_throw(thrown); });
  return {
    [this](call_request& r) { on_call(r); },
    [this](attempt_ended& a) { on_attempt_ended(a); },
    [this](const timer_fired&) { on_due(); },
    [this](const call_cancel& c) { on_cancel(c.id); },
    [this](reconcile_request& r) { on_reconcile(r); },
  };
}

void tool_actor::on_exit() {
  scope_.clear();
  for (auto& [id, a] : attempts_)
    a.by->cancel(id);
  for (auto& [_, c] : calls_) {
    error why{errc::unavailable, "the actor of the tool ended"};
    if (c->in_flight != 0)
      why.outcome = certainty::unknown;
    reply(*c, c->tries.closing(std::move(why)));
  }
  calls_.clear(); // promises hold their own actor
  by_caller_.clear();
  attempts_.clear();
  queue_.clear();
  checkpoint();
  send(timer_, disarm_timers{address()});
  timer_ = nullptr;
  supervisor_ = nullptr;
}

/// A bug outside of any call: the actor ends, and its supervisor decides.
caf::error tool_actor::on_throw(const std::exception_ptr& thrown) {
  event e;
  e.lvl = level::error;
  e.name = "actor.died";
  e.service = service_;
  e.result = to_string(errc::internal);
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& what) {
    e.fields.emplace_back("error", to_json(std::string_view{what.what()}));
  } catch (...) {
    e.fields.emplace_back("error", to_json(std::string_view{"an exception of an unknown type"}));
  }
  env_.events.write(e);
  return caf::make_error(caf::exit_reason::unhandled_exception);
}

// -- handlers ------------------------------------------------------------------------------------

void tool_actor::on_call(call_request& r) {
  begin(std::move(r), false);
}

void tool_actor::on_reconcile(reconcile_request& r) {
  call_request question;
  question.service = std::move(r.service);
  question.body = std::move(r.body);
  question.key = std::move(r.key);
  question.cls = effect_class::read;
  question.invocation = std::move(r.invocation);
  begin(std::move(question), true);
}

void tool_actor::begin(call_request&& r, bool reconciles) {
  auto no = ++last_call_;
  auto now = env_.clock.now();
  auto deadline = std::min(r.deadline, utc_time{now + options_.retry.total_timeout});
  auto& slot = calls_[no];
  slot = std::make_unique<call>(no, std::move(r), options_.retry, deadline);
  auto* c = slot.get();
  c->promise = make_response_promise();
  c->begun = env_.clock.steady();
  c->reconciles = reconciles;
  if (c->request.id != 0)
    by_caller_[c->request.id] = c;
  if (!reconciles)
    if (auto fit = admit(c->request); !fit) {
      finish(c, std::move(fit).error());
      return;
    }
  scope_.spawn(serve(c));
}

result<void> tool_actor::admit(const call_request& r) const {
  if (r.deadline <= env_.clock.now())
    return error{errc::deadline_exceeded, "the deadline had passed when the call came up"};
  if (dead_letters_.holds(r.key))
    return error{errc::internal,
                 fmt::format("set aside: this call has thrown {} times", dead_letters::deaths_max),
                 certainty::unknown};
  if (!schema_)
    return {};
  if (auto fit = schema_->validate_text(r.body); !fit)
    return error{errc::invalid_input, "arguments: " + fit.error().message};
  return {};
}

void tool_actor::on_cancel(call_id id) {
  auto i = by_caller_.find(id);
  if (i == by_caller_.end() || i->second->cancelled)
    return;
  auto* c = i->second;
  c->cancelled = true;
  if (c->at != place::attempt) {
    wake_up(c, wake::cancelled);
    return;
  }
  // The backend says how it ended: an effect that did happen is not to be called cancelled.
  set_due(c, env_.clock.now() + tool_cancel_grace);
  attempts_.at(c->in_flight).by->cancel(c->in_flight);
}

void tool_actor::on_attempt_ended(attempt_ended& a) {
  auto i = attempts_.find(a.id);
  if (i == attempts_.end())
    return;
  auto ended = i->second;
  attempts_.erase(i);
  auto took = std::chrono::duration<double, std::milli>(env_.clock.steady() - ended.begun).count();
  attempt_ms_ = attempt_ms_ == 0 ? took : 0.9 * attempt_ms_ + 0.1 * took;
  free_slot();
  if (ended.of == nullptr)
    return;
  ended.of->answer = std::move(a.outcome);
  wake_up(ended.of, wake::answered);
}

void tool_actor::on_due() {
  armed_for_ = never;
  auto now = env_.clock.now();
  while (!dues_.empty() && dues_.begin()->first <= now)
    wake_up(calls_.at(dues_.begin()->second).get(), wake::due);
  arm();
}

// -- waits and slots -----------------------------------------------------------------------------

tool_actor::waiter tool_actor::wait(call* c, place where, utc_time until) {
  c->at = where;
  set_due(c, until);
  return waiter{c};
}

void tool_actor::wake_up(call* c, wake why) {
  set_due(c, never);
  if (c->at == place::nowhere)
    return;
  c->at = place::nowhere;
  c->woken = why;
  scope_.resume(std::exchange(c->chain, 0));
}

void tool_actor::set_due(call* c, utc_time until) {
  if (c->due != never)
    dues_.erase({c->due, c->no});
  c->due = until;
  if (until == never)
    return;
  dues_.emplace(until, c->no);
  arm();
}

void tool_actor::arm() {
  if (dues_.empty() || dues_.begin()->first >= armed_for_)
    return;
  armed_for_ = dues_.begin()->first;
  send(timer_, arm_timer{caf::actor_cast<caf::actor>(this), wait_timer, armed_for_});
}

/// The slot of an attempt that ended goes to the next in line.
void tool_actor::free_slot() {
  if (queue_.empty()) {
    --slots_taken_;
    return;
  }
  auto* next = queue_.front();
  queue_.pop_front();
  wake_up(next, wake::slot);
}

milliseconds tool_actor::queue_wait() const {
  auto ahead = static_cast<double>(queue_.size() + 1);
  auto ms = attempt_ms_ * ahead / static_cast<double>(options_.concurrent);
  return std::clamp(milliseconds{static_cast<milliseconds::rep>(ms)}, come_back_min, come_back_max);
}

// -- events and state ----------------------------------------------------------------------------

void tool_actor::report(level l, std::string_view name, const call& c, std::string_view what,
                        steady_time since, const error* why) const {
  event e;
  e.lvl = l;
  e.name = name;
  e.invocation = c.request.invocation;
  e.agent = c.request.agent;
  e.service = service_;
  e.result = what;
  e.attempt = c.attempt;
  e.latency = std::chrono::duration_cast<std::chrono::microseconds>(env_.clock.steady() - since);
  if (why != nullptr && !why->message.empty())
    e.fields.emplace_back("error", to_json(why->message));
  if (why != nullptr && why->outcome == certainty::unknown)
    e.fields.emplace_back("may_have_happened", "true");
  if (c.stop != retry_stop::no && c.stop != retry_stop::permanent)
    e.fields.emplace_back("retry", to_json(to_string(c.stop)));
  env_.events.write(e);
}

void tool_actor::restore(const std::string& checkpoint) {
  if (checkpoint.empty())
    return;
  if (auto state = from_json<tool_state>(checkpoint)) {
    budget_.restore(state->tokens);
    dead_letters_.restore(state->letters);
  }
}

void tool_actor::checkpoint() {
  if (!supervisor_)
    return;
  tool_state state;
  state.tokens = budget_.tokens();
  state.letters = dead_letters_.all();
  save_checkpoint message{child_id_, to_json(state)};
  send(supervisor_, std::move(message));
}

} // namespace troupe
