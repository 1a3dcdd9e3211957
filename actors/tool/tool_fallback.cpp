// Who is asked in the place of a tool, or about it. See tool_actor.hpp.

#include "actors/tool/tool_actor.hpp"

#include "actors/tool/command_backend.hpp"
#include "actors/tool/function_backend.hpp"
#include "runtime/core/json.hpp"

#include <exception>
#include <utility>

namespace troupe {

using std::chrono::milliseconds;

const fallback_options& tool_actor::fallback_of(const call& c) const {
  return c.wishes && c.wishes->fallback.given() ? c.wishes->fallback : options_.fallback;
}

std::function<result<std::string>(const attempt_request&)>
tool_actor::fallback_function(const fallback_options& f) const {
  if (&f == &options_.fallback)
    return parts_.fallback;
  auto function = f.function.empty() ? std::nullopt : find_function(f.function);
  if (!function || function->blocking || function->start)
    return nullptr;
  return [function = std::move(*function)](const attempt_request& r) {
    return call_function(function, r, {});
  };
}

/// What takes the place of an answer: the first of the fallback's forms that has something.
async<result<std::string>> tool_actor::fall_back(call* c, error why) {
  const auto& f = fallback_of(*c);
  if (!f.given() || c->cancelled || !falls_back(why, c->request.cls))
    co_return why;
  if (f.cached.count() > 0)
    if (auto old = guards_.answers->find(c->request.body, f.cached, env_.clock.steady()))
      co_return instead(c, std::move(why), "cache", std::move(old->value), old->age);
  if (auto call_it = fallback_function(f)) {
    auto said = call_it(request_of(*c));
    if (said)
      co_return instead(c, std::move(why), "function", std::move(*said), milliseconds{0});
  }
  if (!f.tool.empty() && c->deadline > env_.clock.now() && only_looks(f.tool)) {
    auto said = co_await ask_other(c, f.tool, c->request.body);
    if (said)
      co_return instead(c, std::move(why), "tool", std::move(*said), milliseconds{0});
    if (c->cancelled)
      co_return why;
  }
  if (f.value.empty())
    co_return why;
  co_return instead(c, std::move(why), "value", f.value, milliseconds{0});
}

result<std::string> tool_actor::instead(call* c, error why, std::string_view from,
                                        std::string value, milliseconds age) {
  auto e = event_of(level::warning, "tool.fallback", *c, to_string(why.code), c->begun);
  e.fields.emplace_back("from", to_json(from));
  if (age.count() > 0)
    e.fields.emplace_back("age_ms", to_json(age.count()));
  env_.events.write(e);
  c->failure = std::move(why);
  if (c->wishes && c->wishes->told)
    return told_answer(value, from, age);
  return value;
}

/// A repeat after a crash may find the first tool up again: were the other's an effect, too, it would
/// happen at both. An agent that wants that makes two calls, each in the journal.
bool tool_actor::only_looks(const std::string& tool) const {
  auto service = env_.services.find(tool_service_name(tool));
  return service && service->info.cls <= effect_class::read;
}

/// An answer that may serve again.
void tool_actor::remember(const call& c, const std::string& value) {
  if (fallback_of(c).cached.count() > 0 && c.request.cls <= effect_class::read)
    guards_.answers->put(c.request.body, value, env_.clock.steady());
}

/// The time that is left is all that another tool has.
async<result<std::string>> tool_actor::ask_other(call* c, std::string tool, std::string body) {
  auto name = tool_service_name(tool);
  auto service = env_.services.find(name);
  if (!service)
    co_return error{errc::not_found, "there is no tool '" + tool + "'"};
  call_request r;
  r.id = c->asked_id = env_.random.next();
  r.service = name;
  r.body = std::move(body);
  r.key = c->request.key;
  r.cls = effect_class::read;
  r.deadline = c->deadline;
  r.invocation = c->request.invocation;
  r.agent = c->request.agent;
  auto patience = service->info.total_timeout + std::chrono::seconds{1};
  c->asked = service->handle;
  auto reply = co_await ask<call_reply>(this, service->handle, patience, std::move(r));
  c->asked = nullptr;
  if (!reply)
    co_return std::move(reply).error();
  co_return std::move(reply->outcome);
}

/// Reconciles by asking another tool.
async<result<std::string>> tool_actor::ask_reconciler(call* c) {
  if (options_.reconcile.tool.empty())
    co_return error{errc::not_found, "nobody there who could reconcile"};
  ++c->attempt;
  auto body = reconcile_question(c->request.key, c->request.body);
  auto said = co_await ask_other(c, options_.reconcile.tool, std::move(body));
  co_return std::move(said);
}

} // namespace troupe
