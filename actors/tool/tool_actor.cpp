#include "actors/tool/tool_actor.hpp"

#include "actors/supervision/dead_letter_messages.hpp"
#include "actors/supervision/supervisor_messages.hpp"
#include "runtime/core/json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

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
    supervisor_(std::move(setup.supervisor)),
    child_id_(std::move(setup.child_id)),
    guards_(std::move(setup.guards)),
    service_(tool_service_name(options_.name)),
    schema_(std::move(schema)),
    budget_(options_.retry),
    slots_(options_.concurrent, options_.queue),
    // A backend outlives its actors: ids must not meet those of the one before.
    last_attempt_(setup.env.random.next()),
    waits_(*this, env_.clock, std::move(setup.timer), scope_) {
  restore(setup.checkpoint);
}

caf::behavior tool_actor::make_behavior() {
  set_default_handler(caf::drop);
  set_exception_handler([this](std::exception_ptr& thrown) { return on_throw(thrown); });
  return {
    [this](call_request& r) { on_call(r); },
    [this](attempt_ended& a) { on_attempt_ended(a); },
    [this](const timer_fired&) { waits_.on_timer(); },
    [this](const call_cancel& c) { on_cancel(c.id); },
    [this](reconcile_request& r) { on_reconcile(r); },
    [this](const set_aside& s) { dead_letters_.hold(s.key); },
    [this](const forgive_call& f) {
      dead_letters_.forgive(f.key);
      checkpoint();
    },
  };
}

void tool_actor::on_exit() {
  scope_.clear();
  for (auto& [id, a] : attempts_) {
    if (a.of != nullptr)
      guards_.gate->give_back(a.permit);
    a.by->cancel(id);
  }
  for (auto& [_, c] : calls_) {
    if (c->reconciles) { // not "unknown": whoever asks shall ask the successor
      c->promise.deliver(caf::make_error(caf::sec::request_receiver_down));
      continue;
    }
    error why{errc::unavailable, "the actor of the tool ended"};
    if (!c->flying.empty())
      why.outcome = certainty::unknown;
    reply(*c, c->tries.closing(std::move(why)));
  }
  calls_.clear(); // promises hold their own actor
  by_caller_.clear();
  attempts_.clear();
  checkpoint();
  waits_.stop();
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
    if (auto fit = admit(*c); !fit) {
      finish(c, std::move(fit).error());
      return;
    }
  scope_.spawn(serve(c));
}

result<void> tool_actor::admit(call& c) const {
  const auto& r = c.request;
  if (r.deadline <= env_.clock.now()) {
    file(store::letter_kind::expired, r, "its deadline had passed when the tool read it");
    return error{errc::deadline_exceeded, "the deadline had passed when the call came up"};
  }
  if (dead_letters_.holds(r.key))
    return error{errc::internal,
                 fmt::format("set aside: this call has thrown {} times", dead_letters::deaths_max),
                 certainty::unknown};
  if (!r.options.empty()) {
    auto wishes = read_call_options(r.options);
    if (!wishes)
      return std::move(wishes).error();
    c.wishes = std::move(*wishes);
  }
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
  if (c->flying.empty()) {
    if (c->asked)
      send(c->asked, call_cancel{c->asked_id});
    waits_.wake_up(*c, wake::cancelled);
    return;
  }
  // The backend says how it ended: an effect that did happen is not to be called cancelled.
  waits_.put_off(*c, env_.clock.now() + tool_cancel_grace);
  for (auto flying : c->flying)
    attempts_.at(flying).by->cancel(flying);
}

// -- events and state ----------------------------------------------------------------------------

event tool_actor::event_of(level l, std::string_view name, const call& c, std::string_view what,
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
  return e;
}

void tool_actor::file(store::letter_kind kind, const call_request& r, std::string why,
                      std::uint32_t deaths) const {
  auto office = env_.services.find(dead_letter_office);
  if (!office)
    return;
  file_letter m;
  m.what.kind = kind;
  m.what.subject = service_;
  m.what.key = r.key;
  m.what.body = r.body;
  m.what.why = std::move(why);
  m.what.deaths = deaths;
  m.what.when = env_.clock.now();
  m.invocation = r.invocation;
  caf::anon_send(office->handle, std::move(m));
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
