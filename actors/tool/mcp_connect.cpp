// A server's lives: found, greeted, listed, listened to, lost. See mcp_client_actor.hpp.

#include "actors/supervision/restart_policy.hpp"
#include "actors/tool/mcp_client_actor.hpp"
#include "runtime/core/json.hpp"

#include <caf/send.hpp>

#include <algorithm>

namespace troupe {
namespace {

using std::chrono::milliseconds;

/// Between two lists of tools, however often a server says that they have changed.
constexpr milliseconds list_interval{1'000};

/// Pages of one list: a cursor that goes round in a circle must end somewhere.
constexpr int pages_max = 100;

/// Of a stream on which a server tells of changes. At its end it is opened again and the tools are
/// listed, so that no more than this is missed where a connection died unnoticed.
constexpr milliseconds listen_max{600'000};
/// Before it is opened again, where the server does not say how long.
constexpr milliseconds listen_pause{5'000};

/// For a process to end politely; the transport's own steps end before.
constexpr milliseconds close_patience{4'500};

} // namespace

async<void> mcp_client_actor::live() {
  for (std::uint32_t step = 0;;) {
    phase_ = phase::connecting;
    auto begun = env_.clock.steady();
    auto up = co_await connect();
    if (phase_ == phase::stopping)
      co_return;
    if (up) {
      phase_ = phase::up;
      report(level::info, "mcp.up", "ok",
             {{"server", to_json(hello_.server)},
              {"version", to_json(hello_.version)},
              {"tools", to_json(tools_.size())}});
      settle_first();
      wake_held(wake::slot);
      if (hello_.tools_change)
        scope_.spawn(listen(session_));
      co_await stay_up();
      if (phase_ == phase::stopping)
        co_return;
    } else if (transport_open_ || why_down_.message.empty()) {
      why_down_ = std::move(up).error(); // else why it closed is the better reason
    }
    if (up && session_lost_) {
      report(level::warning, "mcp.session_lost", "again", {});
      continue; // the server is there, and the others that wait for it too
    }
    if (env_.clock.steady() - begun >= options_.backoff.reset_after)
      step = 0;
    auto delay = restart_delay(options_.backoff, step++, env_.random);
    go_down(std::move(why_down_));
    report(level::warning, "mcp.down", to_string(why_down_.code),
           {{"error", to_json(why_down_.message)}, {"delay_ms", to_json(delay.count())}});
    settle_first();
    next_try_ = env_.clock.now() + delay;
    wake_held(wake::refused);
    co_await end_transport();
    while (phase_ == phase::down && env_.clock.now() < next_try_)
      co_await waits_.wait(life_, next_try_);
    if (phase_ == phase::stopping)
      co_return;
  }
}

async<result<void>> mcp_client_actor::connect() {
  ++session_;
  session_lost_ = stale_ = false;
  if (!transport_open_) {
    noise_ = 0;
    why_down_ = error{};
    auto self = address();
    auto opened = transport_->open(++generation_, [self](mcp_signal s) {
      if (auto to = caf::actor_cast<caf::actor>(self))
        caf::anon_send(to, std::move(s));
    });
    if (!opened)
      co_return std::move(opened).error();
    transport_open_ = true;
  }
  auto hello = co_await greet();
  if (!hello) {
    era_.reset(); // it may have been another server
    co_return std::move(hello).error();
  }
  hello_ = std::move(*hello);
  auto listed = co_await list_tools();
  co_return std::move(listed);
}

// -- which era -----------------------------------------------------------------------------------

async<result<mcp_hello>> mcp_client_actor::greet() {
  auto era = era_.value_or(options_.era);
  error why;
  mcp_hello hello;
  bool silent = false;
  if (era != mcp_era::legacy) {
    auto found = co_await discover(&hello, &why);
    if (found == verdict::modern) {
      era_ = mcp_era::modern;
      co_return std::move(hello);
    }
    if (found == verdict::failed || options_.era == mcp_era::modern)
      co_return std::move(why);
    silent = found == verdict::silent;
  }
  auto old = co_await begin_session();
  if (old) {
    era_ = mcp_era::legacy;
    co_return std::move(old);
  }
  if (silent && transport_open_) { // it was not up yet: now it is
    auto found = co_await discover(&hello, &why);
    if (found == verdict::modern) {
      era_ = mcp_era::modern;
      co_return std::move(hello);
    }
  }
  if (!why.message.empty() && transport_open_)
    co_return std::move(why); // it was understood and refused: that is the reason
  co_return std::move(old);
}

/// `legacy` where a server does not know the question; with `why`, where it answers in a version
/// that is not ours.
async<mcp_client_actor::verdict> mcp_client_actor::discover(mcp_hello* hello, error* why) {
  dialect_ = mcp_dialect{true, std::string{mcp_modern_version}};
  transport_->speak(dialect_);
  auto patience
    = options_.era == mcp_era::modern ? options_.request_timeout : options_.probe_timeout;
  auto out = outgoing(next_no(), "server/discover", {});
  utc_time due = env_.clock.now() + patience;
  auto reply = co_await ask(std::move(out), patience, due);
  if (reply.value) {
    auto read = read_discover(*reply.value);
    if (read) {
      *hello = std::move(*read);
      co_return verdict::modern;
    }
    *why = std::move(read).error();
    co_return verdict::legacy;
  }
  *why = std::move(reply.value).error();
  if (reply.failure && is_modern_failure(reply.failure->code)) {
    if (reply.failure->code != rpc_unsupported_version)
      co_return verdict::failed;
    auto offered = offered_versions(*reply.failure);
    *why = version_mismatch(offered);
    co_return common_legacy_version(offered).empty() ? verdict::failed : verdict::legacy;
  }
  bool unreachable = !transport_open_ || (!reply.failure && !reply.timed_out && reply.status == 0);
  if (unreachable && !reply.cut)
    co_return verdict::failed;
  if (options_.era != mcp_era::modern)
    *why = error{};
  if (reply.timed_out)
    co_return verdict::silent;
  co_return verdict::legacy;
}

async<result<mcp_hello>> mcp_client_actor::begin_session() {
  dialect_ = mcp_dialect{};
  transport_->speak(dialect_);
  mcp_outgoing out;
  out.id = next_no();
  out.method = "initialize";
  out.body = rpc_request(out.id, out.method, initialize_params());
  out.timeout = options_.request_timeout;
  auto patience = options_.request_timeout;
  utc_time due = env_.clock.now() + patience;
  auto reply = co_await ask(std::move(out), patience, due);
  if (reply.failure && reply.failure->code == rpc_unsupported_version)
    co_return version_mismatch(offered_versions(*reply.failure));
  if (!reply.value)
    co_return std::move(reply.value).error();
  auto hello = read_initialize(*reply.value);
  if (!hello)
    co_return std::move(hello).error();
  dialect_.version = hello->version;
  transport_->speak(dialect_);
  mcp_outgoing note;
  note.method = "notifications/initialized";
  note.body = rpc_notification(note.method, "{}");
  auto sent = transport_->send(std::move(note));
  if (!sent)
    co_return std::move(sent).error();
  co_return std::move(hello);
}

// -- its tools -----------------------------------------------------------------------------------

async<result<void>> mcp_client_actor::list_tools() {
  std::vector<std::string> definitions;
  std::string cursor;
  next_list_ = env_.clock.now() + list_interval;
  for (int page = 0; hello_.has_tools && page < pages_max; ++page) {
    auto fields = cursor.empty() ? std::string{} : "\"cursor\":" + to_json(cursor);
    auto out = outgoing(next_no(), "tools/list", fields);
    auto patience = options_.request_timeout;
    utc_time due = env_.clock.now() + patience;
    auto reply = co_await ask(std::move(out), patience, due);
    if (!reply.value)
      co_return std::move(reply.value).error();
    auto read = read_tools(*reply.value);
    if (!read)
      co_return std::move(read).error();
    for (auto& tool : read->tools)
      definitions.push_back(std::move(tool));
    cursor = std::move(read->next);
    if (cursor.empty() || definitions.size() > options_.tools_max)
      break;
  }
  std::vector<mcp_tool> found;
  refused_.clear();
  for (const auto& definition : definitions) {
    auto tool = read_mcp_tool(definition, options_.trusted);
    if (!tool)
      report(level::warning, "mcp.tool_refused", to_string(tool.error().code),
             {{"error", to_json(tool.error().message)},
              {"definition", to_json(definition.substr(0, 200))}});
    else if (options_.allows(tool->name))
      found.push_back(std::move(*tool));
  }
  keep_tools(std::move(found));
  co_return result<void>{};
}

// -- up ------------------------------------------------------------------------------------------

async<void> mcp_client_actor::stay_up() {
  while (transport_open_ && !session_lost_) {
    auto until = stale_ ? next_list_ : never;
    if (until > env_.clock.now()) {
      co_await waits_.wait(life_, until);
      continue;
    }
    stale_ = false;
    auto listed = co_await list_tools();
    if (!listed && transport_open_ && !session_lost_)
      report(level::warning, "mcp.tools", to_string(listed.error().code),
             {{"error", to_json(listed.error().message)}});
  }
}

/// Hears of changes. A process tells of them by itself; elsewhere a stream must be held open.
async<void> mcp_client_actor::listen(std::uint64_t session) {
  if (!transport_->streams() && !dialect_.modern)
    co_return;
  waiting_call pause;
  pause.no = next_no();
  std::string last_event;
  while (session == session_ && transport_open_) {
    auto id = next_no();
    mcp_outgoing out;
    if (dialect_.modern)
      out = outgoing(id, "subscriptions/listen", R"("notifications":{"toolsListChanged":true})");
    out.id = id;
    out.timeout = listen_max;
    out.last_event_id = last_event;
    auto until = utc_time{env_.clock.now() + listen_max};
    auto reply = co_await once(std::move(out), listen_max, until);
    if (session != session_ || !transport_open_)
      co_return;
    if (reply.session_lost) {
      lose_session();
      co_return;
    }
    if (reply.failure || (reply.status >= 400 && reply.status < 500))
      co_return; // it does not offer one
    last_event = dialect_.modern ? std::string{} : reply.last_event_id;
    if (!reply.timed_out) {
      auto wait = std::clamp(reply.come_back.value_or(listen_pause), milliseconds{100}, listen_max);
      utc_time due = env_.clock.now() + wait;
      co_await waits_.wait(pause, due);
    }
    stale_ = true;
    waits_.wake_up(life_, wake::answered);
  }
}

// -- down ----------------------------------------------------------------------------------------

void mcp_client_actor::go_down(error why) {
  phase_ = phase::down;
  ++session_;
  why_down_ = std::move(why);
  close_exchanges(why_down_);
}

void mcp_client_actor::close_exchanges(const error& why) {
  auto open = std::exchange(exchanges_, {});
  for (auto& [id, x] : open) {
    x->reply.value = error{why}.may_have_happened();
    waits_.wake_up(*x, wake::refused);
  }
}

/// Those that still want to wait will come back.
void mcp_client_actor::wake_held(wake why) {
  for (auto* c : std::exchange(held_, {}))
    waits_.wake_up(*c, why);
}

async<void> mcp_client_actor::end_transport() {
  if (!transport_open_)
    co_return;
  transport_->close();
  auto until = utc_time{env_.clock.now() + close_patience};
  while (transport_open_ && env_.clock.now() < until)
    co_await waits_.wait(life_, until);
  transport_open_ = false;
}

void mcp_client_actor::lose_session() {
  session_lost_ = true;
  phase_ = phase::connecting;
  waits_.wake_up(life_, wake::answered);
}

} // namespace troupe
