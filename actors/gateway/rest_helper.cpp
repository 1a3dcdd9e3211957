#include "actors/gateway/rest_helper.hpp"

#include "actors/gateway/journal_json.hpp"
#include "actors/gateway/json_out.hpp"
#include "actors/gateway/views.hpp"
#include "actors/gateway/waiting_request.hpp"
#include "runtime/core/json.hpp"
#include "runtime/journal/address_text.hpp"

#include <fmt/format.h>

#include <charconv>

namespace troupe::gateway {
namespace {

/// For questions to the reader and the dispatcher, which answer from memory or one file.
constexpr std::chrono::milliseconds question_timeout{30'000};

/// Requests in the making here; above it 429. People and dashboards, not a flood.
constexpr std::size_t requests_max = 1'024;

} // namespace

rest_helper::rest_helper(caf::actor_config& cfg, std::shared_ptr<rest_world> world)
  : caf::event_based_actor(cfg), world_(std::move(world)) {}

void rest_helper::on_exit() {
  scope_.clear();
  followers_.clear();
  if (world_)
    send(world_->timer, disarm_timers{address()});
  world_.reset(); // it holds a handle on this actor
}

caf::behavior rest_helper::make_behavior() {
  return {
    [this](rest_call& call) {
      if (scope_.size() >= requests_max) {
        auto why = error{errc::overloaded, "too many requests at once (requests_max)"};
        why.retry_after = std::chrono::seconds{1};
        call.what->out.problem(*world_, why);
        return;
      }
      scope_.spawn(serve(std::move(call.what)));
    },
    [this](const timer_fired& t) { on_timer(t.id); },
    [this](const follow_progress& p) { on_progress(p.follower, p.over); },
    [this](speak_completion& s) { scope_.spawn(speak(std::move(s.what))); },
    [this](const words_came& w) { on_words(w.follower); },
    [this](const follower_gone& g) { drop(g.follower); },
    [this](const end_streams&) {
      while (!followers_.empty())
        drop(followers_.begin()->first);
    },
  };
}

async<void> rest_helper::serve(exchange_ptr x) {
  auto which = x->at.which;
  if (which == route::list)
    co_await list(x);
  else if (which == route::show)
    co_await show(x);
  else if (which == route::journal)
    co_await journal(x);
  else if (which == route::events)
    co_await follow(x);
  else if (which == route::readyz)
    co_await ready(x);
  else if (which == route::metrics)
    co_await metrics(x);
  else if (which == route::breakers)
    co_await breakers(x);
  else if (which == route::breaker)
    co_await breaker(x);
  else if (which == route::limits)
    co_await limits(x);
  else if (which >= route::letters)
    co_await letters(x);
  else
    co_await command(x);
}

async<void> rest_helper::list(exchange_ptr x) {
  auto which = read_filter(x->in.query());
  if (!which) {
    x->out.problem(*world_, which.error());
    co_return;
  }
  auto limit = which->limit;
  auto question = list_records{std::move(*which)};
  auto got
    = co_await ask<listed_records>(this, world_->reader, question_timeout, std::move(question));
  if (!got || !got->what) {
    x->out.problem(*world_, got ? got->what.error() : got.error());
    co_return;
  }
  auto& records = *got->what;
  std::string body = "{\"invocations\":[";
  for (const auto& r : records) {
    if (body.back() != '[')
      body += ',';
    body += record_json(world_->tag, r);
  }
  body += "],\"next\":";
  if (records.size() == limit)
    append_string(body, store::invocation_id(world_->tag, records.back().no));
  else
    body += "null";
  body += '}';
  x->out.json(*world_, 200, std::move(body));
}

async<void> rest_helper::show(exchange_ptr x) {
  auto record = co_await find(x->at.subject);
  if (!record) {
    x->out.problem(*world_, record.error());
    co_return;
  }
  auto question = load_history{record->no, {}, {}};
  auto got = co_await ask<history>(this, world_->reader, question_timeout, std::move(question));
  const error* problem = !got ? &got.error() : !got->rows ? &got->rows.error() : nullptr;
  std::vector<troupe::journal::row> none;
  const auto& rows = problem != nullptr ? none : *got->rows;
  x->out.json(*world_, 200, story_json(world_->tag, *record, rows, problem));
}

async<void> rest_helper::journal(exchange_ptr x) {
  auto record = co_await find(x->at.subject);
  if (!record) {
    x->out.problem(*world_, record.error());
    co_return;
  }
  auto form = query_value(x->in.query(), "form");
  if (form && *form == "export") {
    auto whole = load_export{record->no, class_of(record->agent)};
    auto got
      = co_await ask<exported_text>(this, world_->reader, question_timeout, std::move(whole));
    if (!got || !got->what)
      x->out.problem(*world_, got ? got->what.error() : got.error());
    else
      x->out.text(*world_, "application/jsonl", std::move(*got->what));
    co_return;
  }
  auto question = load_history{record->no, {}, {}};
  auto got = co_await ask<history>(this, world_->reader, question_timeout, std::move(question));
  if (!got || !got->rows)
    x->out.problem(*world_, got ? got->rows.error() : got.error());
  else
    x->out.json(*world_, 200, journal_json(*got->rows));
}

std::string rest_helper::class_of(std::string_view agent) const {
  for (const auto& a : world_->agents)
    if (a.name == agent)
      return a.class_name.empty() ? a.name : a.class_name;
  return {};
}

async<void> rest_helper::ready(exchange_ptr x) {
  auto question = stats_request{};
  auto got = co_await ask<dispatcher_stats>(this, world_->dispatcher, question_timeout,
                                            std::move(question));
  if (!got)
    x->out.problem(*world_, got.error());
  else if (got->store_failure)
    x->out.problem(*world_, error{errc::store_failed, got->store_failure->message});
  else if (got->draining)
    x->out.problem(*world_, error{errc::shutting_down, "the process drains"});
  else if (!got->ready)
    x->out.problem(*world_, error{errc::unavailable, "what was open is still being read"});
  else
    x->out.json(*world_, 200, "{\"status\":\"ready\"}");
}

async<void> rest_helper::metrics(exchange_ptr x) {
  auto question = stats_request{};
  auto got = co_await ask<dispatcher_stats>(this, world_->dispatcher, question_timeout,
                                            std::move(question));
  if (got) {
    for (const auto& a : got->agents) {
      world_->numbers.invocations_open.with({a.agent}).set(static_cast<double>(a.open));
      world_->numbers.queue_depth.with({a.agent}).set(static_cast<double>(a.waiting));
    }
    // The dispatcher counts them; only this actor writes the series, so it can tell what is new.
    world_->numbers.invocations_stuck.set(static_cast<double>(got->stuck));
    auto replayed = world_->numbers.replayed_steps;
    replayed.add(static_cast<double>(got->replayed_steps) - replayed.value());
  }
  co_await measure_limits();
  x->out.text(*world_, troupe::metrics::content_type, world_->registry.expose());
}

async<result<store::record>> rest_helper::find(std::string id) {
  auto no = store::invocation_number(world_->tag, id);
  if (!no)
    co_return result<store::record>{
      error{errc::not_found, fmt::format("no invocation \"{}\" in this store", id)}};
  find_record question;
  question.no = *no;
  auto got
    = co_await ask<found_record>(this, world_->reader, question_timeout, std::move(question));
  if (!got)
    co_return result<store::record>{got.error()};
  if (!got->what)
    co_return result<store::record>{got->what.error()};
  if (!*got->what)
    co_return result<store::record>{
      error{errc::not_found, fmt::format("no invocation \"{}\" in this store", id)}};
  co_return result<store::record>{std::move(**got->what)};
}

async<void> rest_helper::command(exchange_ptr x) {
  auto done = co_await carry_out(x);
  auto failed = !done         ? std::optional{done.error()}
                : !done->done ? std::optional{done->done.error()}
                              : std::nullopt;
  if (!failed) {
    std::string body;
    {
      json_object_out o{body};
      o.text("id", x->at.subject);
      o.text("done", to_string(x->at.which));
    }
    x->out.json(*world_, 200, std::move(body));
    co_return;
  }
  // The dispatcher knows what is open. One that has ended is there, but takes no commands.
  if (failed->code == errc::not_found) {
    auto record = co_await find(x->at.subject);
    if (record && !store::is_open(record->state)) {
      failed->code = errc::conflict;
      failed->message = fmt::format("it has ended: {}", to_string(record->state));
    }
  }
  x->out.problem(*world_, *failed);
}

async<result<command_reply>> rest_helper::carry_out(exchange_ptr x) {
  auto to = world_->dispatcher;
  auto& id = x->at.subject;
  auto which = x->at.which;
  if (which == route::cancel) {
    auto m = cancel_request{id};
    co_return co_await ask<command_reply>(this, to, question_timeout, std::move(m));
  }
  if (which == route::retry) {
    auto m = retry_request{id};
    co_return co_await ask<command_reply>(this, to, question_timeout, std::move(m));
  }
  if (which == route::signal) {
    auto m = signal_request{id, x->at.name, x->in.body.empty() ? "null" : std::move(x->in.body)};
    co_return co_await ask<command_reply>(this, to, question_timeout, std::move(m));
  }
  auto m = read_resolve(*x);
  if (!m)
    co_return result<command_reply>{m.error()};
  co_return co_await ask<command_reply>(this, to, question_timeout, std::move(*m));
}

result<resolve_request> rest_helper::read_resolve(const exchange& x) const {
  struct decisions {
    std::optional<std::string> done;
    bool not_done = false;
    bool abort = false;
    std::optional<std::string> at;
  } said;
  json_reader in{x.in.body};
  auto each = [](json_reader& from, std::string_view key, void* into) {
    auto& d = *static_cast<decisions*>(into);
    if (key == "done")
      return from.raw(d.done.emplace());
    if (key == "not_done")
      return from.boolean(d.not_done);
    if (key == "abort")
      return from.boolean(d.abort);
    if (key == "at")
      return from.string(d.at.emplace());
    return from.fail("expected one of done, not_done, abort, at");
  };
  bool read = in.object(each, &said) && in.end();
  if (!read)
    return error{errc::invalid_input, std::move(in).take_error().message};
  if (int{said.done.has_value()} + int{said.not_done} + int{said.abort} != 1)
    return error{errc::invalid_input,
                 R"(expected {"done": RESULT}, {"not_done": true} or {"abort": true})"};
  resolve_request r;
  r.id = x.at.subject;
  if (said.at && !(r.at = troupe::journal::address_from(*said.at)))
    return error{errc::invalid_input, "at: expected an address like 3.0/1, as `parked` has it"};
  r.decision = said.done       ? troupe::journal::verdict::done
               : said.not_done ? troupe::journal::verdict::not_done
                               : troupe::journal::verdict::abort;
  if (said.done)
    r.value = std::move(*said.done);
  return r;
}

result<store::filter> rest_helper::read_filter(std::string_view query) const {
  store::filter f;
  f.agent = query_value(query, "agent").value_or(std::string{});
  auto status = query_value(query, "status").value_or(std::string{});
  if (status == "open")
    f.open_only = true;
  else if (!status.empty() && !(f.state = store::status_from(status)))
    return error{errc::invalid_input, fmt::format("status: \"{}\" is none; use open, queued, "
                                                  "running, suspended, parked, paused, "
                                                  "quarantined, completed, failed or cancelled",
                                                  status)};
  if (auto since = query_value(query, "since")) {
    auto at = parse_time(*since);
    if (!at)
      return error{errc::invalid_input,
                   "since: expected a time like 2026-11-20T22:34:24Z (RFC 3339; + is %2B)"};
    f.since = *at;
  }
  if (auto limit = query_value(query, "limit")) {
    auto [end, failed] = std::from_chars(limit->data(), limit->data() + limit->size(), f.limit);
    if (failed != std::errc{} || end != limit->data() + limit->size() || f.limit == 0
        || f.limit > store::list_max)
      return error{errc::invalid_input, fmt::format("limit: expected 1 to {}", store::list_max)};
  }
  if (auto before = query_value(query, "before")) {
    auto no = store::invocation_number(world_->tag, *before);
    if (!no)
      return error{errc::invalid_input, "before: expected an id as in `next`"};
    f.before = *no;
  }
  return f;
}

} // namespace troupe::gateway
