#include "actors/llm/llm_endpoint.hpp"

#include "actors/guard/limiter_actor.hpp"
#include "actors/llm/cassette.hpp"
#include "actors/llm/llm_endpoint_actor.hpp"
#include "actors/llm/scripted_backend.hpp"
#include "actors/llm/wire_backend.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/messages.hpp"

#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace detail {
namespace {

constexpr std::size_t mailbox_reserve = 64; // requests beside those that find a place: statistics

// All calls that are not answered yet.
std::size_t calls_max(const endpoint_options& o) {
  return std::size_t{o.concurrent} + o.queue;
}

/// What a restarted endpoint goes on with.
struct endpoint_state {
  std::uint32_t tokens = 0;
};
BOOST_DESCRIBE_STRUCT(endpoint_state, (), (tokens))

std::uint32_t mailbox_max(const endpoint_options& o) {
  return static_cast<std::uint32_t>(calls_max(o) + mailbox_reserve);
}

} // namespace

llm_endpoint::llm_endpoint(caf::actor_config& cfg, llm_setup setup)
  : bounded_actor(cfg, mailbox_max(setup.options)), env_(setup.env),
    options_(std::move(setup.options)), service_("llm:" + options_.name),
    backend_(std::move(setup.backend)), gate_(std::move(setup.gate)), meter_(std::move(setup.meter)),
    callers_(std::move(setup.callers)), shares_(std::move(setup.shares)), budgets_(std::move(setup.budgets)),
    answers_(std::move(setup.answers)),
    supervisor_(std::move(setup.supervisor)), child_id_(std::move(setup.child_id)),
    budget_(options_.retry),
    waits_(*this, env_.clock, setup.timer, scope_) {
  if (!gate_)
    gate_ = make_llm_breaker(options_, env_);
  if (!answers_)
    answers_ = make_answer_cache(options_);
  if (!meter_) {
    meter_ = make_llm_limiter(options_, env_);
    own_limiter_ = spawn_limiter(system(), std::move(setup.timer), meter_);
  }
  if (auto state = from_json<endpoint_state>(setup.checkpoint))
    budget_.restore(state->tokens);
}

caf::behavior llm_endpoint::make_behavior() {
  return {
    [this](call_request& r) { on_call(r); },
    [this](const call_cancel& c) { on_cancel(c.id); },
    [this](const timer_fired&) { waits_.on_timer(); },
    [this](attempt_done& d) { on_attempt(d); },
    [this](limiter_decision& d) { on_turn(d); },
    [this](const llm_stats_request&) { return stats(); },
  };
}

// Frames refer to calls, and a stored promise is a cycle on this actor: answer, then frames, then
// calls.
void llm_endpoint::on_exit() {
  for (auto& [_, c] : calls_) {
    auto known = c->attempts > 0 ? certainty::unknown : certainty::definite;
    call_reply reply;
    reply.outcome = error{errc::unavailable, service_ + " has ended", known};
    reply.attempts = c->attempts;
    c->reply.deliver(std::move(reply));
    if (c->in_flight) {
      gate_->give_back(c->permit);
      backend_->cancel(c->at_backend);
      auto why = interrupted(*c, wake::cancelled);
      meter_->end(std::exchange(c->turn, 0), &why, std::nullopt);
      c->answer = std::move(why);
    }
    leave(*c);
    settle(*c, std::nullopt, c->in_flight);
    if (c->asked)
      send(c->asked, call_cancel{c->asked_id});
    c->asked = nullptr;
  }
  if (own_limiter_)
    send_exit(own_limiter_, caf::exit_reason::user_shutdown);
  own_limiter_ = nullptr;
  scope_.clear();
  calls_.clear();
  waits_.stop();
  if (supervisor_)
    send(supervisor_, save_checkpoint{child_id_, to_json(endpoint_state{budget_.tokens()})});
  supervisor_ = nullptr;
}

// -- handlers ------------------------------------------------------------------------------------

void llm_endpoint::on_call(call_request& r) {
  auto reply = make_response_promise();
  auto admitted = admit(r);
  bool full = calls_.size() >= calls_max(options_);
  // Nobody is turned away for one that would wait for another's answer.
  if (admitted && full
      && (leaders_.contains((*admitted)->content) || !meter_->make_room(claim_of(**admitted)))) {
    ++stats_.overloaded;
    admitted = overload();
  }
  if (!admitted) {
    call_reply refusal;
    refusal.outcome = std::move(admitted).error();
    refusal.attempts = 0;
    reply.deliver(std::move(refusal));
    return;
  }
  auto& c = **admitted;
  c.reply = std::move(reply);
  auto no = c.no;
  calls_.emplace_hint(calls_.end(), no, std::move(*admitted));
  ++stats_.calls;
  scope_.spawn(serve(no));
}

void llm_endpoint::on_cancel(call_id id) {
  for (auto& [_, c] : calls_)
    if (c->request.id == id) {
      c->cancelled = true;
      if (c->asked)
        send(c->asked, call_cancel{c->asked_id});
      waits_.wake_up(*c, wake::cancelled);
      return; // `calls_` may have changed
    }
}

void llm_endpoint::on_attempt(attempt_done& d) {
  auto found = calls_.find(d.no);
  if (found == calls_.end())
    return;
  auto& c = *found->second;
  if (!c.in_flight || c.attempts != d.attempt)
    return; // given up already
  c.answer = std::move(d.outcome);
  waits_.wake_up(c, wake::answered);
}

llm_stats llm_endpoint::stats() const {
  auto out = stats_;
  out.in_flight = in_flight_;
  out.waiting = static_cast<std::uint32_t>(calls_.size()) - in_flight_;
  return out;
}

error llm_endpoint::overload() const {
  error out{errc::overloaded,
            fmt::format("{} has {} calls in flight or waiting (concurrent {} + queue {})",
                        service_, calls_.size(), options_.concurrent, options_.queue)};
  constexpr std::chrono::milliseconds shortest{100};
  constexpr std::chrono::milliseconds longest{60'000};
  out.retry_after = std::clamp(meter_->expected_wait(), shortest, longest);
  return out;
}

error llm_endpoint::interrupted(const call& c, wake why) const {
  auto known = c.attempts > 0 ? certainty::unknown : certainty::definite;
  if (why == wake::cancelled)
    return {errc::cancelled, "the call was cancelled", known};
  if (auto late = c.live.overdue())
    return std::move(*late);
  auto now = env_.clock.now();
  if (now < c.deadline && now >= end_of(c))
    return {errc::deadline_exceeded,
            fmt::format("no answer within this model's part of the time of the call ({} attempts; "
                        "fallback.reserve)",
                        c.attempts),
            known};
  if (now < c.deadline)
    return {errc::timed_out, fmt::format("no answer within {} ms", options_.retry.timeout.count()),
            certainty::unknown};
  return {errc::deadline_exceeded,
          fmt::format("no answer by the deadline of the call ({} attempts)", c.attempts), known};
}

} // namespace detail

std::shared_ptr<breaker> make_llm_breaker(const endpoint_options& options, const environment& env) {
  return std::make_shared<breaker>("llm:" + options.name, options.breaker,
                                   usually_slow(options.retry.timeout), env);
}

std::shared_ptr<answer_cache> make_answer_cache(const endpoint_options& options) {
  return std::make_shared<answer_cache>(answer_cache::answers_max, options.cache.size);
}

std::shared_ptr<limiter> make_llm_limiter(const endpoint_options& options, const environment& env) {
  auto limits = options.limits;
  limits.queue = options.queue + options.concurrent; // the endpoint counts all calls
  return std::make_shared<limiter>("llm:" + options.name, limits, options.keys().size(),
                                   options.concurrent, env);
}

service_info llm_service_info(const endpoint_options& options) {
  service_info out;
  out.cls = effect_class::read;
  out.total_timeout = options.retry.total_timeout;
  return out;
}

caf::actor start_llm_endpoint(caf::actor_system& system, llm_setup setup) {
  auto& services = setup.env.services;
  auto name = "llm:" + setup.options.name;
  auto info = llm_service_info(setup.options);
  auto self = system.spawn<detail::llm_endpoint>(std::move(setup));
  services.put(std::move(name), self, info);
  return self;
}

namespace {

result<std::shared_ptr<model_backend>>
make_live_backend(caf::actor_system& system, const environment& env, const caf::actor& timer,
                  const endpoint_options& options,
                  std::shared_ptr<net::http_transport> transport) {
  if (auto wire = make_model_wire(options.kind))
    return std::make_shared<wire_backend>(options, std::move(wire), env.clock, env.events,
                                          std::move(transport));
  auto script = load_script(options.script);
  if (!script)
    return std::move(script).error();
  return std::make_shared<scripted_backend>(system, env, timer, std::move(*script));
}

} // namespace

result<std::shared_ptr<model_backend>>
make_model_backend(caf::actor_system& system, const environment& env, const caf::actor& timer,
                   const endpoint_options& options,
                   std::shared_ptr<net::http_transport> transport) {
  // A script is nobody's model, whatever the endpoint would ask with a key.
  auto model = options.kind == endpoint_kind::scripted ? std::string{} : options.model;
  if (!options.replay.empty())
    return make_replaying_backend(options.replay, model);
  auto live = make_live_backend(system, env, timer, options, std::move(transport));
  if (!live || options.record.empty())
    return live;
  return make_recording_backend(std::move(*live), options.record, model);
}

} // namespace troupe
