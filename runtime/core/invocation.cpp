#include "runtime/core/invocation.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/core/stream_hub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace troupe {
namespace {

constexpr std::string_view unknown_exception = "an exception that is not a std::exception";

} // namespace

invocation::invocation(caf::actor_config& cfg,
                       std::shared_ptr<const invocation_world> world, invocation_identity who)
  : caf::event_based_actor(cfg), shared_(std::move(world)), world_(*shared_), who_(std::move(who)),
    has_key_(who_.has_key) {}

invocation::~invocation() {
  tearing_down_ = true;
  drop_coroutine();
}

void invocation::on_exit() {
  if (!std::exchange(over_, true)) // ended from outside: another actor takes its place
    send(world_.dispatcher, invocation_died{who_.no, last_lsn_, 1, "its actor was ended"});
  tearing_down_ = true;
  drop_coroutine();
  if (world_.env.streams != nullptr)
    world_.env.streams->forget(who_.id);
  if (timers_armed_)
    send(world_.timer, disarm_timers{address()});
}

caf::behavior invocation::make_behavior() {
  return {
    [this](const begin_invocation& b) { on_begin(b); },
    [this](const durable& d) { on_durable(d); },
    [this](const timer_fired& t) { on_timer(t.id); },
    [this](child_reported& c) { on_child(c); },
    [this](signal_arrived& s) { on_signal(s); },
    [this](const cancel_arrived& c) { on_cancel(c.reason); },
    [this](const resolution_arrived& r) { on_resolution(r.what); },
    [this](const passivation_answered& p) { on_passivation(p.go); },
    [this](const key_granted&) { on_key_granted(); },
  };
}

// -- handlers ------------------------------------------------------------------------------------

void invocation::on_begin(const begin_invocation& b) {
  fresh_ = b.fresh != nullptr;
  auto add_fresh = [](history& h, const journal::started& begun) {
    auto& row = h.rows->emplace_back();
    row.run = row.generation = journal::outside;
    row.entries.emplace_back(begun);
  };
  if (fresh_ && who_.key.empty()) {
    history h{std::vector<journal::row>{}, {}};
    add_fresh(h, *b.fresh);
    on_history(h);
    return;
  }
  // What began just now may not be in the store yet, but the state of its key is. The store's reader
  // bounds its own time; the timeout is for one that has gone.
  request(world_.reader, std::chrono::seconds{60},
          load_history{fresh_ ? 0 : who_.no, who_.agent, who_.key})
    .then(
          [this, add_fresh, fresh = b.fresh](history& h) {
            if (fresh && h.rows)
              add_fresh(h, *fresh);
            on_history(h);
          },
          [this](const caf::error&) {
            read_failed(error{errc::unavailable, "the journal could not be read"});
          });
}

// What may work a moment later (an I/O error, a busy file) is no reason to wait for a person.
void invocation::read_failed(error why) {
  if (why.code == errc::corrupted || why.code == errc::not_found
      || why.code == errc::schema_mismatch) {
    pause(std::move(why));
    return;
  }
  constexpr std::uint32_t as_after = 5; // deaths: some seconds until the next attempt
  event_line(level::error, "invocation.read_failed", nullptr, std::string{to_string(why.code)},
             {{"why", to_json(why.message)}});
  over_ = true;
  send(world_.dispatcher, invocation_died{who_.no, last_lsn_, as_after, std::move(why.message)});
  quit();
}

void invocation::on_history(history& h) {
  if (!h.rows) {
    read_failed(h.rows.error());
    return;
  }
  replay_ = std::make_unique<journal::replay>(std::move(*h.rows));
  auto& r = *replay_;
  if (r.end()) { // ended already: say so again, somebody may not have heard it
    const auto& end = *r.end();
    outcome how;
    how.state = end.ok          ? store::status::completed
                : r.was_cancelled() ? store::status::cancelled
                                    : store::status::failed;
    how.value = end.ok ? result<std::string>{end.value.text} : result<std::string>{end.failure};
    over_ = true;
    send(world_.dispatcher, invocation_ended{who_.no, 0, std::move(how)});
    quit();
    return;
  }
  begun_ = true;
  if (r.start().version != who_.cls->version)
    who_.cls = find_agent(who_.cls->name, r.start().version);
  stale_status_ = fresh_ == false;
  run_ = r.run();
  generation_ = r.generation();
  entries_ = r.size();
  patches_ = std::move(r.patches());
  generation_rows_ = r.generation_rows();
  deaths_ = r.deaths();
  // Those that came while the journal was being loaded may stand in it as well.
  auto early = std::exchange(signals_, r.take_signals());
  if (planted(planted_bug::early_signal_dropped))
    early.clear();
  for (auto& s : early)
    if (std::none_of(signals_.begin(), signals_.end(), [&](const auto& w) { return w.id == s.id; }))
      signals_.push_back(std::move(s));
  if (!signals_.empty())
    last_signal_ = std::max(last_signal_, signals_.back().id);
  if (r.cancel()) {
    cancel_asked_ = true;
    cancel_reason_ = r.cancel()->reason;
  }
  if (h.state && !r.state()) {
    // A keyed agent's state as it is now; on replay it is read from here. From now on the store
    // says that this one has begun: after a restart it gets the key before those that wait.
    out_.add(journal::entry{journal::state_loaded{keep_state(*h.state)}});
    extra().changed = change_to(store::status::running);
    stale_status_ = false;
  }
  begin_generation(r.input(), r.state() ? *r.state() : h.state.value_or(std::string{}));
  if (halt_) {
    pause(*halt_);
    return;
  }
  advance();
}

void invocation::on_durable(const durable& d) {
  durable_ = std::max(durable_, d.at);
  if (over_)
    return;
  if (key_until_ != 0 && d.at >= key_until_) {
    key_until_ = 0;
    send(world_.dispatcher, key_released{who_.no});
  }
  if (next_ && d.at >= last_lsn_)
    begin_next();
  if (emitted_ && d.at >= last_lsn_) {
    emitted_ = false;
    send(world_.dispatcher, journal_grew{who_.no});
  }
  auto waiting = std::exchange(gated_, {});
  for (auto id : waiting) {
    auto* e = find(id);
    if (e == nullptr || e->phase_ == phase::ready)
      continue;
    if (e->gate_ == 0 || e->gate_ > d.at)
      gated_.push_back(id);
    else if (e->phase_ == phase::replayed)
      start_again(*e);
    else
      start(*e);
    if (over_)
      return;
  }
  advance();
}

void invocation::on_timer(std::uint64_t id) {
  if (over_)
    return;
  if (id == idle_timer) {
    idle_armed_ = false;
    advance();
    return;
  }
  if (id == grace_timer && undoing()) {
    arm_grace(); // what was begun is undone, however long that takes
    return;
  }
  if (id == grace_timer) {
    finish(store::status::cancelled,
           error{errc::cancelled, fmt::format("did not end within {} ms of its cancellation",
                                              world_.options.cancel_grace.count())});
    return;
  }
  auto* e = find(id);
  if (e == nullptr || e->phase_ == phase::ready)
    return;
  if (e->kind_ == journal::effect_kind::sleep)
    make_ready(*e, std::string{"null"});
  else if (e->phase_ == phase::settling) // the far side has had its time: ask again
    settle(*e, "its outcome is unknown");
  if (!leaving_) // else the dispatcher decides: it stays, or is woken at once
    advance();
}

void invocation::on_child(child_reported& c) {
  ++received_;
  if (over_ || c.generation != generation_)
    return;
  auto* e = find(c.at);
  if (e == nullptr || e->phase_ != phase::started || c.key != key_of(*e))
    return;
  if (!undo_failed(*e, c.value))
    make_ready(*e, std::move(c.value));
  advance();
}

// The dispatcher's row has said that it runs again; not where a key is shared, for there only the
// one that has it says so.
void invocation::count_command() {
  ++received_;
  suspended_ = suspended_ && who_.yields;
}

void invocation::on_signal(signal_arrived& s) {
  count_command();
  if (over_ || s.id <= last_signal_)
    return; // seen already, in the journal
  last_signal_ = s.id;
  signals_.push_back({s.id, std::move(s.name), std::move(s.value)});
  if (begun_)
    advance();
}

void invocation::on_cancel(journal::cancel_reason reason) {
  count_command();
  if (over_ || cancel_asked_)
    return;
  cancel_asked_ = true;
  cancel_reason_ = reason;
  if (!begun_ || !live_ || next_)
    return; // go_live or the next generation delivers it
  deliver_cancel();
  advance();
}

void invocation::on_resolution(const journal::resolved& r) {
  count_command();
  if (over_)
    return;
  if (!begun_ || !live_) { // the journal that is being loaded may be older
    decisions_.push_back(r);
    return;
  }
  auto* e = find(r.at);
  if (e == nullptr || e->phase_ != phase::parked)
    return;
  apply_resolution(*e, r);
  advance();
}

void invocation::on_passivation(bool go) {
  if (over_)
    return;
  leaving_ = false;
  if (!go) {
    advance();
    return;
  }
  over_ = true;
  quit();
}

void invocation::on_key_granted() {
  ++received_;
  if (over_)
    return;
  request(world_.reader, std::chrono::seconds{60}, load_history{0, who_.agent, who_.key})
    .then(
      [this](history& h) {
        if (over_)
          return;
        auto state = h.state.value_or(std::string{});
        auto loaded = h.rows ? agent_->load_state(state) : result<void>{h.rows.error()};
        if (!loaded) {
          pause(loaded.error());
          return;
        }
        out_.add(journal::entry{journal::state_loaded{keep_state(std::move(state))}});
        has_key_ = true;
        key_asked_ = false;
        advance();
      },
      [this](const caf::error&) {
        pause(error{errc::unavailable, "the state of its key could not be read"});
      });
}

// -- the coroutine's life ------------------------------------------------------------------------

// -- the journal's side --------------------------------------------------------------------------

} // namespace troupe
