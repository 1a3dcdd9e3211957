// Streams of events: the part of the helper that stays with a client.
#include "actors/gateway/event_stream.hpp"
#include "actors/gateway/rest_helper.hpp"
#include "actors/gateway/waiting_request.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe::gateway {
namespace {

/// Open streams; above it 429. Each holds a connection and reads a journal at every progress.
constexpr std::size_t followers_max = 1'024;

/// A stream without news says that it lives, and looks whether it has missed something.
constexpr std::chrono::milliseconds heartbeat{15'000};

/// Rest between two readings of one journal; longer where reading takes longer, so that a follower
/// of a long journal takes at most a sixth of the reader's time.
constexpr std::chrono::milliseconds rest_min{20};
constexpr int rest_factor = 5;

/// Bytes that a client has not taken: past it, words wait in their ring, where the oldest make
/// room, until it has caught up. Far below what would have it dropped.
constexpr std::size_t behind_max = std::size_t{64} << 10;
constexpr std::chrono::milliseconds behind_rest{50};

// Timer ids: 0 is the wait list's; a follower has three.
constexpr std::uint64_t timers = 4;
constexpr std::uint64_t rest_timer(std::uint64_t follower) {
  return follower * timers;
}
constexpr std::uint64_t heartbeat_timer(std::uint64_t follower) {
  return follower * timers + 1;
}
constexpr std::uint64_t behind_timer(std::uint64_t follower) {
  return follower * timers + 2;
}

} // namespace

void progress_observer::tell(bool over) {
  if (!told_.exchange(true) || over)
    caf::anon_send(helper_, follow_progress{follower_, over});
}

void rest_helper::arm(std::uint64_t id, std::chrono::milliseconds in) {
  send(world_->timer,
       arm_timer{caf::actor_cast<caf::actor>(this), id, world_->env.clock.now() + in});
}

void rest_helper::on_timer(std::uint64_t id) {
  if (id == 0) {
    auto next = never;
    for (auto& late : world_->waits.take(world_->env.clock.now(), next))
      late->give_up();
    if (next != never)
      send(world_->timer, arm_timer{caf::actor_cast<caf::actor>(this), 0, next});
    return;
  }
  auto i = followers_.find(id / timers);
  if (i == followers_.end())
    return;
  auto& f = i->second;
  if (id == heartbeat_timer(i->first)) {
    arm(id, heartbeat);
    if (!f.out.raw().write_chunk(": still here\n\n")) {
      drop(i->first);
      return;
    }
    on_progress(i->first, false);
    return;
  }
  if (id == behind_timer(i->first)) {
    f.behind = false;
    on_words(i->first);
    return;
  }
  f.loading = false; // it has rested
  if (f.dirty)
    on_progress(i->first, false);
}

async<void> rest_helper::follow(exchange_ptr x) {
  auto record = co_await find(x->at.subject);
  if (!record) {
    x->out.problem(*world_, record.error());
    co_return;
  }
  if (followers_.size() >= followers_max) {
    x->out.problem(*world_, error{errc::overloaded, "too many streams are open (followers_max)"});
    co_return;
  }
  auto number = ++last_follower_;
  auto me = caf::actor_cast<caf::actor>(this);
  x->out.count(*world_, 200);
  x->out.raw().start_stream(
    net::http_headers{{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}});
  x->out.raw().on_close([me, number] { caf::anon_send(me, follower_gone{number}); });
  follower f;
  f.id = x->at.subject;
  f.no = record->no;
  f.last_id = x->in.headers.value_or("last-event-id", {});
  f.once = query_value(x->in.query(), "follow") == "false";
  f.out = std::move(x->out);
  f.observer = std::make_shared<progress_observer>(me, number);
  await_invocation subscribe{f.id, f.observer};
  bool stays = !f.once;
  if (stays && world_->env.streams != nullptr)
    f.words = world_->env.streams->follow(
      f.id, [me, number] { caf::anon_send(me, words_came{number}); });
  followers_.emplace(number, std::move(f));
  if (stays)
    send(world_->dispatcher, std::move(subscribe));
  arm(heartbeat_timer(number), heartbeat);
  on_words(number);
  on_progress(number, false);
}

void rest_helper::on_words(std::uint64_t id) {
  auto i = followers_.find(id);
  if (i != followers_.end() && !send_words(id, i->second, false))
    drop(id);
}

bool rest_helper::send_words(std::uint64_t id, follower& f, bool last) {
  if (!f.words || (f.behind && !last))
    return true;
  if (!last && f.out.raw().waiting() > behind_max) {
    f.behind = true;
    arm(behind_timer(id), behind_rest);
    return true;
  }
  std::string text;
  for (const auto& c : f.words.read())
    append_words(text, c);
  return text.empty() || f.out.raw().write_chunk(std::move(text)).has_value();
}

void rest_helper::on_progress(std::uint64_t id, bool over) {
  auto i = followers_.find(id);
  if (i == followers_.end())
    return;
  auto& f = i->second;
  f.observer->taken();
  f.over = f.over || over;
  f.dirty = true;
  if (!f.loading) {
    f.loading = true;
    f.dirty = false;
    scope_.spawn(pump(id));
  }
}

async<void> rest_helper::pump(std::uint64_t id) {
  auto began = world_->env.clock.steady();
  bool last = followers_.at(id).over || followers_.at(id).once; // before the journal is read
  auto question = load_history{followers_.at(id).no, {}, {}};
  auto got = co_await ask<history>(this, world_->reader, heartbeat, std::move(question));
  auto i = followers_.find(id);
  if (i == followers_.end())
    co_return;
  bool readable = got && got->rows;
  if (!readable || !send_words(id, i->second, last) || !send_events(i->second, *got->rows) || last) {
    drop(id);
    co_return;
  }
  auto took
    = std::chrono::duration_cast<std::chrono::milliseconds>(world_->env.clock.steady() - began);
  arm(rest_timer(id), std::max(rest_min, took * rest_factor));
}

bool rest_helper::send_events(follower& f, const std::vector<troupe::journal::row>& rows) {
  auto all = stream_events(rows);
  std::string text;
  for (auto i = f.last_id.empty() ? 0 : first_after(all, f.last_id); i < all.size(); ++i) {
    append_sse(text, all[i]);
    f.last_id = all[i].id;
  }
  return f.out.raw().write_chunk(std::move(text)).has_value();
}

void rest_helper::drop(std::uint64_t id) {
  auto i = followers_.find(id);
  if (i == followers_.end())
    return;
  auto& f = i->second;
  send(world_->dispatcher, unfollow{f.id, f.observer});
  // Armed for never is as good as disarmed, and does not touch the other timers of this actor.
  send(world_->timer, arm_timer{caf::actor_cast<caf::actor>(this), heartbeat_timer(id), never});
  send(world_->timer, arm_timer{caf::actor_cast<caf::actor>(this), rest_timer(id), never});
  send(world_->timer, arm_timer{caf::actor_cast<caf::actor>(this), behind_timer(id), never});
  f.out.raw().finish();
  followers_.erase(i);
}

} // namespace troupe::gateway
