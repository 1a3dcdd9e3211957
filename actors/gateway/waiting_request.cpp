#include "actors/gateway/waiting_request.hpp"

#include "actors/gateway/json_out.hpp"

#include <caf/send.hpp>

namespace troupe::gateway {
namespace {

std::string ended_json(const std::string& id, const outcome& how) {
  std::string body;
  body.reserve(64 + id.size() + (how.value ? how.value->size() : 256));
  json_object_out o{body};
  o.text("id", id);
  o.text("status", to_string(how.state));
  if (how.value)
    o.raw("result", *how.value);
  else
    append_error(o.field("error"), how.value.error());
  return body;
}

} // namespace

void waiting_request::watch(utc_time due) {
  std::weak_ptr<waiting_request> me = weak_from_this();
  if (!respond_async_) {
    wait_list::place at;
    if (world_->waits.add(due, me, at))
      caf::anon_send(world_->timer, arm_timer{world_->helper, 0, due});
    std::lock_guard lock{mutex_};
    place_ = at;
  }
  out_.raw().on_close([me] {
    if (auto self = me.lock())
      self->client_gone();
  });
}

void waiting_request::on_accepted(const std::string& id, bool attached) {
  std::unique_lock lock{mutex_};
  id_ = id;
  attached_ = attached;
  if (gone_)
    unfollow_now();
  else if (respond_async_)
    answer_accepted(lock);
}

void waiting_request::on_ended(const std::string& id, const outcome& how) {
  std::unique_lock lock{mutex_};
  if (!out_)
    return;
  auto out = std::move(out_);
  leave_list();
  lock.unlock();
  if (store::is_open(how.state)) { // a commit failed: it goes on, from what is durable, later
    out.problem(*world_, how.value ? error{errc::unavailable} : how.value.error());
    return;
  }
  net::http_headers more;
  if (attached_)
    more.add("Idempotent-Replayed", "true");
  out.json(*world_, 200, ended_json(id, how), std::move(more));
}

void waiting_request::on_refused(const error& why) {
  std::unique_lock lock{mutex_};
  if (!out_)
    return;
  auto out = std::move(out_);
  leave_list();
  lock.unlock();
  out.problem(*world_, why);
}

void waiting_request::give_up() {
  std::unique_lock lock{mutex_};
  place_.reset();
  respond_async_ = true;
  if (out_ && !id_.empty())
    answer_accepted(lock);
}

void waiting_request::client_gone() {
  std::unique_lock lock{mutex_};
  // Who has only ended its side may still read: it gets its answer, or 202 when the wait is over.
  if (!out_ || !out_.raw().gone())
    return;
  gone_ = true;
  auto out = std::move(out_);
  leave_list();
  if (!id_.empty())
    unfollow_now();
  lock.unlock();
  out.count(*world_, client_gone_status);
  out.raw().respond(error{errc::cancelled, "the client has gone"}); // nobody reads it
}

void waiting_request::answer_accepted(std::unique_lock<std::mutex>& lock) {
  auto out = std::move(out_);
  leave_list();
  unfollow_now();
  auto id = id_;
  auto attached = attached_;
  lock.unlock();
  net::http_headers more;
  more.add("Location", "/v1/invocations/" + id);
  if (attached)
    more.add("Idempotent-Replayed", "true");
  std::string body;
  {
    json_object_out o{body};
    o.text("id", id);
    o.text("status", "open");
  }
  out.json(*world_, 202, std::move(body), std::move(more));
}

void waiting_request::leave_list() {
  if (place_)
    world_->waits.remove(*place_);
  place_.reset();
}

void waiting_request::unfollow_now() {
  caf::anon_send(world_->dispatcher, unfollow{id_, shared_from_this()});
}

} // namespace troupe::gateway
