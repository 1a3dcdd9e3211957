// Calls that were abandoned in flight and may have happened: once they have landed, their services
// are asked. The questions are in the store, so that a restart does not forget them.
#include "actors/flow/dispatcher.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {
namespace {

// One that finds no place stays "may have happened".
constexpr std::size_t unsettled_max = 100'000;

// How often a service is asked whose actor dies with the question; its supervisor needs some time.
constexpr std::uint32_t rounds_max = 5;
constexpr std::chrono::seconds round_pause{10};

struct stored_question {
  std::uint64_t no = 0;
  std::string service;
  std::string key;
  std::string body;
  std::string invocation;
  std::int64_t first_sent = 0; ///< µs
  std::int64_t landed = 0;     ///< µs
  bool business = false;
  std::int64_t expires = 0;    ///< µs
};
BOOST_DESCRIBE_STRUCT(stored_question, (),
                      (no, service, key, body, invocation, first_sent, landed, business, expires))

std::string write_question(const settle_later& s) {
  stored_question q;
  q.no = s.no;
  q.service = s.what.service;
  q.key = s.what.key;
  q.body = s.what.body;
  q.invocation = s.what.invocation;
  q.first_sent = s.what.first_sent.time_since_epoch().count();
  q.landed = s.landed.time_since_epoch().count();
  q.business = s.business;
  q.expires = s.expires.time_since_epoch().count();
  return to_json(q);
}

std::optional<settle_later> read_question(std::string_view text) {
  if (text.empty())
    return std::nullopt; // a free place
  auto q = from_json<stored_question>(text);
  if (!q)
    return std::nullopt;
  settle_later s;
  s.no = q->no;
  s.what.service = std::move(q->service);
  s.what.key = std::move(q->key);
  s.what.body = std::move(q->body);
  s.what.invocation = std::move(q->invocation);
  s.what.first_sent = utc_time{utc_time::duration{q->first_sent}};
  s.landed = utc_time{utc_time::duration{q->landed}};
  s.business = q->business;
  s.expires = utc_time{utc_time::duration{q->expires}};
  return s;
}

std::string_view name_of(reconcile_state s) {
  switch (s) {
    case reconcile_state::done: return "done";
    case reconcile_state::not_done: return "not_done";
    case reconcile_state::unknown: break;
  }
  return "unknown";
}

// What a service says of a call with a business key whose invocation does not wait any more.
std::optional<store::settlement> settlement_of(const settle_later& what,
                                               const reconcile_reply& r) {
  if (!what.business || r.state == reconcile_state::unknown)
    return {};
  store::settlement s;
  s.what = {what.what.service, what.what.key};
  s.how = r.state == reconcile_state::done ? store::settling::completed : store::settling::freed;
  s.answer.text = r.body;
  s.expires = what.expires;
  return s;
}

store::saved_state question_state(std::size_t place, std::string body) {
  store::saved_state s;
  s.key = unsettled_key(place);
  s.body = std::move(body);
  return s;
}

} // namespace

void dispatcher::on_settle_later(settle_later& s) {
  if (unsettled_.size() >= unsettled_max)
    return;
  auto id = ++next_unsettled_;
  auto& kept = unsettled_.emplace(id, unsettled_call{std::move(s)}).first->second;
  send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), id, kept.what.landed});
  if (!recovering_)
    keep(kept);
}

// Beyond the places, questions are in memory only.
void dispatcher::keep(unsettled_call& call) {
  auto free = std::find(places_.begin(), places_.end(), false);
  auto n = static_cast<std::size_t>(free - places_.begin());
  if (n >= unsettled_kept_max)
    return;
  if (free == places_.end())
    places_.push_back(true);
  else
    *free = true;
  call.place = n;
  store::unit u;
  u.invocation = call.what.no;
  u.state = question_state(n, write_question(call.what));
  append(std::move(u));
}

// At start, and when the log has gone back to what is durable: what is stored and not known yet is
// asked, what is known and not stored is written again.
void dispatcher::recover_unsettled(const std::vector<std::string>& stored) {
  places_.assign(stored.size(), false);
  std::map<store::claim_key, unsettled_call*> known;
  for (auto& [_, call] : unsettled_) {
    call.place = nowhere;
    known.emplace(store::claim_key{call.what.what.service, call.what.what.key}, &call);
  }
  for (std::size_t n = 0; n < stored.size(); ++n) {
    auto question = read_question(stored[n]);
    if (!question)
      continue;
    places_[n] = true;
    const auto& what = question->what;
    if (auto i = known.find({what.service, what.key}); i != known.end())
      i->second->place = n;
    else
      unsettled_.emplace(++next_unsettled_, unsettled_call{std::move(*question), n});
  }
  auto me = caf::actor_cast<caf::actor>(this);
  for (auto& [id, call] : unsettled_) {
    if (call.place == nowhere)
      keep(call);
    send(setup_.timer, arm_timer{me, id, std::max(call.what.landed, setup_.env.clock.now())});
  }
}

void dispatcher::settle(std::uint64_t id) {
  auto i = unsettled_.find(id);
  if (i == unsettled_.end())
    return;
  const auto& what = i->second.what.what;
  auto service = setup_.env.services.find(what.service);
  if (!service) { // it has left the topology: the note that it may have happened stands
    settled(id, nullptr);
    return;
  }
  request(service->handle, service->info.total_timeout + std::chrono::seconds{5}, what)
    .then([this, id](const reconcile_reply& r) { settled(id, &r); },
          [this, id](const caf::error&) { ask_again(id); });
}

void dispatcher::ask_again(std::uint64_t id) {
  auto i = unsettled_.find(id);
  if (i == unsettled_.end())
    return;
  if (++i->second.rounds >= rounds_max)
    settled(id, nullptr);
  else
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), id,
                                 setup_.env.clock.now() + round_pause});
}

// The answer and the end of the question are one entry: neither is there without the other.
void dispatcher::settled(std::uint64_t id, const reconcile_reply* said) {
  auto done = unsettled_.extract(id);
  if (!done)
    return;
  const auto& call = done.mapped();
  store::unit u;
  u.invocation = call.what.no;
  if (call.place != nowhere) {
    u.state = question_state(call.place, {});
    places_[call.place] = false;
  }
  std::optional<store::settlement> booked;
  if (said != nullptr) {
    note_reconciled(call.what, name_of(said->state), u);
    booked = settlement_of(call.what, *said);
  }
  if (booked) {
    u.beside = std::make_shared<store::aside>();
    u.beside->settlements.push_back(*booked);
  }
  if (!u.state && u.row.empty() && !booked)
    return;
  if (auto at = append(std::move(u)); booked && at != 0)
    send(ledger_, action_settled{std::move(*booked), at, {}, incarnation_});
}

void dispatcher::note_reconciled(const settle_later& call, std::string_view state, store::unit& u) {
  auto key = to_json(call.what.key);
  // One that has ended so long ago may have been forgotten: nothing is written about it any more.
  auto now = setup_.env.clock.now();
  if (find(call.no) != nullptr || now - call.what.first_sent < setup_.retention) {
    journal::note note{"reconciled", {}, now};
    note.detail.text = fmt::format(R"({{"key":{},"state":"{}"}})", key, state);
    journal::row_writer row;
    row.add(journal::entry{std::move(note)});
    u.row = row.take(call.no, journal::outside, journal::outside);
  }
  setup_.env.events.write({level::warning, "effect.reconciled", id_of(call.no), {}, {},
                           std::string{state}, 0, {}, {{"key", std::move(key)}}});
}

} // namespace troupe
