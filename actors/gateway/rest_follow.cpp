// Streams of events: the part of the helper that stays with a client.
#include "actors/gateway/event_stream.hpp"
#include "actors/gateway/rest_helper.hpp"
#include "actors/gateway/waiting_request.hpp"
#include "runtime/core/json.hpp"

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

/// For a client that reads too slowly for words, to catch up.
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

struct failure_fields {
  std::string code;
  std::optional<std::string> message;
};
BOOST_DESCRIBE_STRUCT(failure_fields, (), (code, message))

struct ended_fields {
  std::optional<raw_json> result;
  std::optional<failure_fields> error;
};
BOOST_DESCRIBE_STRUCT(ended_fields, (), (result, error))

/// What of a journal concerns a client of Chat Completions: the end, and as comments what the agent
/// tells of its tools.
void append_completion(std::string& out, completion_stream& to, const stream_event& e) {
  constexpr std::size_t comment_max = 1'024;
  if (e.name != "ended") {
    auto line = e.data.substr(0, comment_max);
    std::replace(line.begin(), line.end(), '\n', ' ');
    std::replace(line.begin(), line.end(), '\r', ' ');
    if (e.name == "emit")
      out += ": " + line + "\n\n";
    return;
  }
  auto how = from_json<ended_fields>(e.data);
  if (how && how->result && !how->error)
    to.answer(out, completion_answer_of(how->result->text));
  else if (how && how->error)
    to.failed(out, {errc_from(how->error->code), how->error->message.value_or("")});
  else
    to.failed(out, {errc::internal, "its end cannot be read"});
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
    std::unique_lock lock{f.line->mutex};
    bool gone = !f.line->out.raw().write_chunk(": still here\n\n");
    lock.unlock();
    if (gone) {
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
  follower f;
  f.id = x->at.subject;
  f.no = record->no;
  f.last_id = x->in.headers.value_or("last-event-id", {});
  f.once = query_value(x->in.query(), "follow") == "false";
  auto below = query_value(x->in.query(), "children");
  f.children = below == "1" || below == "true";
  f.line->out = std::move(x->out);
  open_stream(std::move(f));
}

async<void> rest_helper::speak(std::shared_ptr<completion_start> start) {
  auto record = co_await find(start->id);
  auto full = error{errc::overloaded, "too many streams are open (followers_max)"};
  if (!record || followers_.size() >= followers_max) {
    start->out.problem(*world_, record ? full : record.error());
    if (start->cancels)
      caf::anon_send(world_->dispatcher, cancel_request{start->id});
    co_return;
  }
  follower f;
  f.id = start->id;
  f.no = record->no;
  f.line->speaks = std::make_unique<completion_stream>(start->head, start->usage, start->talks);
  f.cancels = start->cancels;
  f.line->out = std::move(start->out);
  open_stream(std::move(f));
}

void rest_helper::open_stream(follower f) {
  auto number = ++last_follower_;
  auto me = caf::actor_cast<caf::actor>(this);
  auto line = f.line;
  f.observer = std::make_shared<progress_observer>(me, number);
  std::unique_lock lock{line->mutex};
  line->otherwise = [me, number] { caf::anon_send(me, words_came{number}); };
  if (f.children)
    line->hub = world_->env.streams;
  line->out.count(*world_, 200);
  auto& out = line->out.raw();
  out.start_stream(
    net::http_headers{{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}});
  out.on_close([me, number] { caf::anon_send(me, follower_gone{number}); });
  if (line->speaks) {
    std::string text;
    line->speaks->begin(text);
    (void)out.write_chunk(std::move(text)); // who has gone is noticed by the next
  }
  if (!f.once && world_->env.streams != nullptr)
    line->words = world_->env.streams->follow(f.id, line->writer());
  lock.unlock();
  if (!f.once)
    send(world_->dispatcher, await_invocation{f.id, f.observer});
  followers_.emplace(number, std::move(f));
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
  if (f.behind && !last)
    return true;
  std::unique_lock lock{f.line->mutex};
  auto how = f.line->send(last);
  lock.unlock();
  if (how == line_state::behind) {
    f.behind = true;
    arm(behind_timer(id), behind_rest);
  }
  return how != line_state::ended;
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
  if (!readable || !send_words(id, i->second, last) || !send_events(i->second, *got->rows) || last
      || has_spoken(i->second)) {
    drop(id);
    co_return;
  }
  auto took
    = std::chrono::duration_cast<std::chrono::milliseconds>(world_->env.clock.steady() - began);
  arm(rest_timer(id), std::max(rest_min, took * rest_factor));
}

bool rest_helper::has_spoken(const follower& f) {
  std::lock_guard lock{f.line->mutex};
  return f.line->speaks && f.line->speaks->over();
}

bool rest_helper::send_events(follower& f, const std::vector<troupe::journal::row>& rows) {
  auto all = stream_events(rows);
  std::string text;
  std::lock_guard lock{f.line->mutex};
  for (auto i = f.last_id.empty() ? 0 : first_after(all, f.last_id); i < all.size(); ++i) {
    if (f.line->speaks)
      append_completion(text, *f.line->speaks, all[i]);
    else
      append_sse(text, all[i]);
    f.last_id = all[i].id;
  }
  return f.line->out.raw().write_chunk(std::move(text)).has_value();
}

/// A completion that has not got its answer. Under the line's mutex.
void rest_helper::break_off(follower& f) {
  if (f.line->out.raw().closed()) {
    if (f.cancels)
      caf::anon_send(world_->dispatcher, cancel_request{f.id});
    return;
  }
  std::string text;
  f.line->speaks->failed(text, {errc::unavailable, "the stream ends here, its invocation goes on: " + f.id});
  (void)f.line->out.raw().write_chunk(std::move(text));
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
  stream_reader words; // the hub is told outside of the mutex
  std::vector<word_line::child> below;
  {
    std::lock_guard lock{f.line->mutex};
    if (f.line->speaks && !f.line->speaks->over())
      break_off(f);
    f.line->closed = true;
    words = std::move(f.line->words);
    below = std::move(f.line->children);
    f.line->out.raw().finish();
  }
  followers_.erase(i);
}

} // namespace troupe::gateway
