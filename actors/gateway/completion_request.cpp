#include "actors/gateway/completion_request.hpp"

#include "actors/gateway/rest.hpp"
#include "actors/gateway/rest_helper.hpp"
#include "runtime/core/agent.hpp"

#include <caf/send.hpp>
#include <fmt/format.h>

namespace troupe {
namespace gateway {
namespace {

std::int64_t seconds_of(utc_time at) {
  return std::chrono::duration_cast<std::chrono::seconds>(at.time_since_epoch()).count();
}

const agent_options* agent_of(const rest_world& world, std::string_view name) {
  for (const auto& a : world.agents)
    if (a.name == name)
      return &a;
  return nullptr;
}

} // namespace

completion_request::completion_request(std::shared_ptr<rest_world> world, answer_slot out,
                                       completion_ask ask, bool talks)
  : world_(std::move(world)), ask_(std::move(ask)), talks_(talks), out_(std::move(out)) {
  head_.model = ask_.model;
  head_.created = seconds_of(world_->env.clock.now());
}

void completion_request::watch() {
  out_.raw().on_close([me = weak_from_this()] {
    if (auto self = me.lock())
      self->client_gone();
  });
}

void completion_request::on_accepted(const std::string& id, bool attached) {
  std::unique_lock lock{mutex_};
  id_ = id;
  attached_ = attached;
  head_.id = "chatcmpl-" + id;
  if (gone_) {
    leave(!attached);
    return;
  }
  if (!ask_.stream || !out_)
    return;
  auto start = std::make_shared<completion_start>();
  start->id = id;
  start->head = head_;
  start->out = std::move(out_);
  start->usage = ask_.usage;
  start->talks = talks_;
  start->cancels = !attached && world_->options.cancel_on_disconnect;
  leave(false); // the helper follows it from here on
  lock.unlock();
  caf::anon_send(world_->helper, speak_completion{std::move(start)});
}

void completion_request::on_ended(const std::string& id, const outcome& how) {
  std::unique_lock lock{mutex_};
  if (!out_)
    return;
  auto out = std::move(out_);
  head_.id = "chatcmpl-" + id;
  lock.unlock();
  if (store::is_open(how.state)) { // a commit failed: it goes on, from what is durable, later
    out.problem(*world_, how.value ? error{errc::unavailable} : how.value.error());
    return;
  }
  net::http_headers more;
  if (attached_)
    more.add("Idempotent-Replayed", "true");
  if (how.value)
    out.json(*world_, 200, completion_json(head_, completion_answer_of(*how.value)),
             std::move(more));
  else
    out.ended_badly(*world_, how.value.error());
}

void completion_request::on_refused(const error& why) {
  std::unique_lock lock{mutex_};
  if (!out_)
    return;
  auto out = std::move(out_);
  lock.unlock();
  // As in waiting_request.cpp.
  if (why.code == errc::conflict)
    out.problem(*world_, 422, why);
  else
    out.problem(*world_, why);
}

void completion_request::client_gone() {
  std::unique_lock lock{mutex_};
  if (!out_)
    return;
  gone_ = true;
  auto out = std::move(out_);
  if (!id_.empty())
    leave(!attached_);
  lock.unlock();
  out.count(*world_, client_gone_status);
  out.raw().respond(error{errc::cancelled, "the client has gone"}); // nobody reads it
}

void completion_request::leave(bool cancels) {
  caf::anon_send(world_->dispatcher, unfollow{id_, shared_from_this()});
  if (cancels && world_->options.cancel_on_disconnect)
    caf::anon_send(world_->dispatcher, cancel_request{id_});
}

} // namespace gateway

using namespace gateway;

void rest_gateway::complete(net::http_server_request in, answer_slot out) {
  auto model = completion_model(in.body);
  if (!model) {
    out.problem(*world_, model.error());
    return;
  }
  const auto* agent = agent_of(*world_, *model);
  const auto* cls = agent == nullptr ? nullptr
                                     : find_agent(agent->class_name.empty() ? agent->name
                                                                            : agent->class_name);
  if (cls == nullptr) {
    out.problem(*world_, error{errc::not_found,
                               fmt::format("no agent \"{}\" that could be a model: GET /v1/models",
                                           *model)});
    return;
  }
  auto shape = completion_shape_of(cls->input_schema(), cls->output_schema(), agent->key);
  auto asked = read_completion(in.body, shape,
                               in.headers.value_or(conversation_header, {}));
  if (!asked) {
    out.problem(*world_, asked.error());
    return;
  }
  invoke_request r;
  r.agent = asked->model;
  if (!begin_request(in, r, out))
    return;
  r.input = std::move(asked->input);
  r.wait = !asked->stream;
  r.deadline = world_->env.clock.now() + world_->options.completion_timeout;
  auto waits = std::make_shared<completion_request>(world_, std::move(out), std::move(*asked),
                                                    shape.talks);
  waits->watch();
  r.observer = std::move(waits);
  caf::anon_send(world_->dispatcher, std::move(r));
}

} // namespace troupe
