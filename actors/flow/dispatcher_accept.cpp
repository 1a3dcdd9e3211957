// How an invocation is accepted: refused, attached to an earlier one, or written down.
#include "actors/flow/chat.hpp"
#include "actors/flow/dispatcher.hpp"
#include "actors/guard/tenant_options.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/planted.hpp"
#include "runtime/core/stream_hub.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

error other_input() {
  return error{errc::key_conflict, "this idempotency key came before, with another input"};
}

} // namespace

void dispatcher::on_invoke(invoke_request& r) {
  waiter w;
  w.observer = r.observer;
  w.wait = r.wait;
  w.strict = r.strict;
  if (!w.observer)
    w.promise = make_response_promise();
  invite(r, std::move(w));
}

void dispatcher::invite(invoke_request& r, waiter w) {
  auto i = agents_.find(r.agent);
  auto* agent = i == agents_.end() ? nullptr : &i->second;
  // Whoever asks for one that is open already brings no new work.
  bool known = !r.idempotency_key.empty() && keys_.contains({r.agent, r.idempotency_key});
  if (auto why = refuse(agent, known)) {
    if (!agent)
      why->message = fmt::format("no agent \"{}\" in this topology", r.agent);
    refuse_waiter(w, std::move(*why));
    return;
  }
  if (auto named = r.tenant.empty() ? result<void>{} : check_tenant(r.tenant); !named) {
    refuse_waiter(w, std::move(named).error());
    return;
  }
  if (recovering_) {
    stashed_.push_back([this, r = std::move(r), w](const error* why) mutable {
      if (why == nullptr)
        invite(r, std::move(w));
      else
        refuse_waiter(w, *why);
    });
    return;
  }
  look_up(std::move(r), 0, std::move(w), {});
}

void dispatcher::on_child_requested(child_requested& c) {
  invoke_request r;
  r.agent = c.agent;
  r.input = std::move(c.input);
  r.idempotency_key = c.key;
  r.deadline = c.deadline;
  auto i = agents_.find(c.agent);
  auto* agent = i == agents_.end() ? nullptr : &i->second;
  if (auto why = refuse(agent, true)) {
    if (!agent)
      why->message = fmt::format("no agent \"{}\" in this topology", c.agent);
    report_child(c, std::move(*why));
    return;
  }
  look_up(std::move(r), 0, {}, std::move(c));
}

// Children and repeats are no new work: what was accepted gets to its end.
std::optional<error> dispatcher::refuse(const agent_state* a, bool accepted) const {
  if (a == nullptr)
    return error{errc::not_found};
  if (setup_.log.failed())
    return error{errc::store_failed, setup_.log.why().message};
  if (accepted)
    return std::nullopt;
  if (draining_)
    return error{errc::shutting_down, "the process drains"};
  if (find_agent(a->options.class_name) == nullptr)
    return error{errc::unavailable, fmt::format("agent class \"{}\" is not loaded",
                                                a->options.class_name)};
  auto waiting = a->waiting();
  bool full = waiting >= a->options.depth_max || slots_.size() >= setup_.options.depth_max
              || setup_.log.full() || stashed_.size() >= stash_max;
  if (!full)
    return std::nullopt;
  auto why = error{errc::overloaded, fmt::format("{} invocations of \"{}\" wait (depth_max)",
                                                 waiting, a->options.name)};
  why.retry_after = retry_after(*a);
  return why;
}

// Depth over the drain rate measured since the last look; between 1 s and 60 s.
std::chrono::milliseconds dispatcher::retry_after(const agent_state& a) const {
  auto seconds = std::chrono::duration<double>(setup_.env.clock.steady() - counting_since_).count();
  auto rate = seconds > 0 ? static_cast<double>(ended_count_) / seconds : 0.0;
  auto wait = rate > 0 ? static_cast<double>(a.waiting()) / rate : 60.0;
  return std::chrono::seconds{static_cast<long>(std::clamp(std::ceil(wait), 1.0, 60.0))};
}

void dispatcher::look_up(invoke_request r, std::uint64_t hash, waiter w,
                         std::optional<child_requested> c) {
  if (r.idempotency_key.empty()) {
    accept(std::move(r), 0, std::move(w), std::move(c));
    return;
  }
  if (hash == 0) {
    auto same = canonical(r.input);
    if (!same) {
      auto why = error{errc::invalid_input, "input: " + same.error().message};
      if (c)
        report_child(*c, std::move(why));
      else
        refuse_waiter(w, std::move(why));
      return;
    }
    // 63 bits: the store keeps it as a signed integer. Never 0, which means "none".
    hash = (short_hash(*same) >> 1U) | 1U;
  }
  auto key = std::pair{r.agent, r.idempotency_key};
  if (auto i = keys_.find(key); i != keys_.end()) {
    join(i->second, hash, w, c);
    return;
  }
  if (c && c->fresh) { // its address is new, so nobody can have used its key
    accept(std::move(r), hash, std::move(w), std::move(c));
    return;
  }
  if (looking_.contains(key) && !planted(planted_bug::admitted_twice)) {
    stashed_.push_back([this, r = std::move(r), hash, w, c](const error* why) mutable {
      if (why == nullptr)
        look_up(std::move(r), hash, std::move(w), std::move(c));
      else if (!c)
        refuse_waiter(w, *why);
    });
    return;
  }
  looking_.insert(key);
  auto incarnation = incarnation_;
  request(setup_.reader, std::chrono::seconds{30}, find_record{0, r.agent, r.idempotency_key})
    .then(
      [=, this](found_record& found) mutable {
        looking_.erase(key);
        auto full = c ? std::nullopt : refuse(&agents_.find(r.agent)->second, false);
        if (incarnation == incarnation_ && found.what && *found.what && !c
            && key_expired(**found.what)) {
          drop_key(**found.what);
          found.what->reset();
        }
        if (incarnation == incarnation_ && found.what && !*found.what && full)
          refuse_waiter(w, std::move(*full));
        else if (incarnation == incarnation_ && found.what && !*found.what)
          accept(std::move(r), hash, std::move(w), std::move(c));
        else if (incarnation == incarnation_ && found.what && join((*found.what)->no, hash, w, c))
          ;
        else if (incarnation == incarnation_ && found.what && (*found.what)->input_hash == hash)
          answer_from_journal(**found.what, std::move(w), std::move(c));
        else {
          auto why = !found.what ? found.what.error()
                     : incarnation != incarnation_
                       ? error{errc::store_failed, "the store failed meanwhile"}
                       : other_input();
          if (c)
            report_child(*c, std::move(why));
          else
            refuse_waiter(w, std::move(why));
        }
        if (!recovering_)
          unstash();
        check_idle();
      },
      [=, this](const caf::error&) mutable {
        looking_.erase(key);
        auto why = error{errc::unavailable, "the store's reader does not answer"};
        if (c)
          report_child(*c, std::move(why));
        else
          refuse_waiter(w, std::move(why));
        if (!recovering_)
          unstash();
        check_idle();
      });
}

bool dispatcher::join(invocation_no no, std::uint64_t hash, waiter& w,
                        const std::optional<child_requested>& c) {
  auto* s = find(no);
  if (s == nullptr)
    return false;
  if (s->input_hash != hash) {
    if (c)
      report_child(*c, other_input());
    else
      refuse_waiter(w, other_input());
    return true;
  }
  if (!c && w.strict && s->ended_at == 0) {
    auto why = error{errc::conflict, "the first request with this idempotency key still runs: " + id_of(no)};
    why.retry_after = std::chrono::seconds{1};
    refuse_waiter(w, std::move(why));
    return true;
  }
  if (c) {
    s->parent_waits = c->waits;
    s->parent_generation = c->generation;
    if (c->waits)
      adopt_child(c->parent, no);
    if (!c->waits)
      report_child(*c, to_json(id_of(no)));
    else if (s->more && s->more->ending)
      report_child(*c, s->more->ending->value);
    return true;
  }
  w.attached = true;
  more(*s).waiters.push_back(std::move(w));
  if (s->accepted_at <= setup_.log.durable_lsn())
    tell_accepted(*s);
  return true;
}

// A key is kept from the end on: what still runs may be asked for however long that takes.
bool dispatcher::key_expired(const store::record& r) const {
  return !store::is_open(r.state) && find(r.no) == nullptr
         && r.updated + setup_.options.key_ttl < setup_.env.clock.now();
}

void dispatcher::drop_key(const store::record& r) {
  store::unit u;
  u.invocation = r.no;
  u.changed = store::change{r.state, r.wake_at, r.updated, journal::outside, journal::outside};
  u.changed->drops_key = true;
  append(std::move(u));
}

void dispatcher::answer_from_journal(const store::record& found, waiter w,
                                     std::optional<child_requested> c) {
  request(setup_.reader, std::chrono::seconds{60}, load_history{found.no, {}, {}})
    .then(
      [this, found, w, c](history& h) mutable {
        if (!h.rows) {
          if (c)
            report_child(*c, h.rows.error());
          else
            refuse_waiter(w, h.rows.error());
          return;
        }
        journal::replay r{std::move(*h.rows)};
        outcome how{found.state, error{errc::unavailable, "its agent is not in this topology"}};
        if (r.end() && r.end()->ok)
          how.value = r.end()->value.text;
        else if (r.end())
          how.value = r.end()->failure;
        if (!how.value && how.state == store::status::completed)
          how.state = store::status::failed; // asked for by its id alone: nobody knew
        if (c) {
          report_child(*c, c->waits ? std::move(how.value)
                                    : result<std::string>{to_json(id_of(found.no))});
        } else if (w.observer) {
          w.observer->on_accepted(id_of(found.no), true);
          w.observer->on_ended(id_of(found.no), how);
        } else {
          w.promise.deliver(invocation_reply{id_of(found.no), how.state, true, how.value});
        }
      },
      [this, w, c](const caf::error&) mutable {
        auto why = error{errc::unavailable, "the store's reader does not answer"};
        if (c)
          report_child(*c, std::move(why));
        else
          refuse_waiter(w, std::move(why));
      });
}

void dispatcher::accept(invoke_request r, std::uint64_t hash, waiter w,
                        std::optional<child_requested> c) {
  auto& agent = agents_.find(r.agent)->second;
  const auto* cls = find_agent(agent.options.class_name);
  auto fail = [&](error why) {
    if (c)
      report_child(*c, std::move(why));
    else
      refuse_waiter(w, std::move(why));
  };
  if (cls == nullptr)
    return fail(error{errc::unavailable, fmt::format("agent class \"{}\" is not loaded",
                                                     agent.options.class_name)});
  if (auto fits = cls->accepts(r.input); !fits)
    return fail(fits.error());
  auto key = key_of(agent, r.input);
  if (!key)
    return fail(key.error());
  if (c && c->waits && !key->empty() && holds_own_key(*c, *key))
    return fail(error{errc::deadlock,
                      fmt::format("\"{}\" is invoked for key \"{}\" by an invocation that holds "
                                  "this key",
                                  r.agent, *key)});
  if (auto why = setup_.log.refuses(r.input.size()))
    return fail(std::move(*why));
  const auto* above = c ? find(c->parent) : nullptr;
  auto depth = above != nullptr ? above->depth + 1 : 0;
  if (depth > setup_.options.children_depth_max)
    return fail(error{errc::invalid_input,
                      fmt::format("\"{}\" would be {} children deep; at most {} are "
                                  "(children_depth_max): does an agent invoke itself?",
                                  r.agent, depth, setup_.options.children_depth_max)});
  auto now = setup_.env.clock.now();
  auto no = ++last_no_;
  slot s;
  s.depth = depth;
  s.no = no;
  s.agent = &agent;
  s.key = std::move(*key);
  s.idempotency_key = r.idempotency_key;
  s.input_hash = hash;
  s.deadline = r.deadline;
  if (agent.options.deadline.count() > 0)
    s.deadline = std::min(s.deadline, utc_time{now + agent.options.deadline});
  if (c) {
    s.parent = c->parent;
    s.parent_at = c->at;
    s.parent_generation = c->generation;
    s.parent_waits = c->waits;
    s.tree = above != nullptr && above->tree != 0 ? above->tree : c->parent;
    s.tenant = above != nullptr ? above->tenant : nullptr;
  } else if (!r.tenant.empty()) {
    s.tenant = std::make_shared<const std::string>(std::move(r.tenant));
  }
  auto begun = std::make_shared<journal::started>();
  begun->agent = r.agent;
  begun->version = cls->version;
  begun->created = now;
  begun->deadline = s.deadline;
  begun->traceparent = std::move(r.traceparent);
  store::unit u;
  u.invocation = no;
  store::record record;
  record.no = no;
  record.agent = r.agent;
  record.key = s.key;
  if (!planted(planted_bug::idempotency_forgotten))
    record.idempotency_key = s.idempotency_key;
  record.input_hash = hash;
  // One with a key is `running` once it has it: at a restart those come first.
  record.state = s.key.empty() ? store::status::running : store::status::queued;
  record.created = record.updated = now;
  record.deadline = s.deadline;
  record.parent = s.parent;
  if (c || s.tenant)
    record.parent_effect = fmt::format("{}|{}|{}|{}", s.parent_at.path, s.parent_at.seq,
                                       s.parent_waits ? s.parent_generation + 1 : 0, s.depth);
  if (s.tenant || s.tree != s.parent)
    record.parent_effect += fmt::format("|{}", s.tree);
  if (s.tenant)
    record.parent_effect += "|" + *s.tenant;
  u.created = std::move(record);
  journal::row_writer row;
  if (r.input.size() > setup_.invocations.inline_max) {
    begun->input.stored = true;
    begun->input.hash = sha256(r.input);
    u.blobs.push_back({begun->input.hash, r.input, false});
    u.references.push_back(begun->input.hash);
    row.add(journal::entry{*begun});
  } else {
    begun->input.text = r.input;
    row.add(journal::entry{*begun});
  }
  begun->input.text = std::move(r.input);
  u.row = row.take(no, journal::outside, journal::outside);
  auto at = append(std::move(u));
  if (at == 0)
    return fail(error{errc::store_failed, setup_.log.why().message});
  s.accepted_at = s.last_row = at;
  if (!s.idempotency_key.empty())
    keys_[{r.agent, s.idempotency_key}] = no;
  if (s.deadline != never)
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), no | deadline_bit, s.deadline});
  ++agent.open;
  auto& kept = slots_.emplace(no, std::move(s)).first->second;
  more(kept).fresh = std::move(begun);
  if (c && !c->waits)
    report_child(*c, to_json(id_of(no)));
  if (c && c->waits)
    adopt_child(c->parent, no);
  if (!c)
    more(kept).waiters.push_back(std::move(w));
  admit(kept);
}

result<std::string> dispatcher::key_of(const agent_state& a, std::string_view input) const {
  if (a.options.key.empty())
    return std::string{};
  boost::json::error_code failed;
  auto json = boost::json::parse(boost::json::string_view{input.data(), input.size()}, failed);
  const auto* object = failed ? nullptr : json.if_object();
  const auto* field = object == nullptr ? nullptr : object->if_contains(a.options.key);
  if (field != nullptr && field->is_string() && !field->get_string().empty())
    return std::string{field->get_string()};
  if (field != nullptr && field->is_number())
    return boost::json::serialize(*field);
  if ((field == nullptr || field->is_null()) && object != nullptr
      && goes_without_key(a.options, *object))
    return std::string{};
  return error{errc::invalid_input,
               fmt::format("input: /{}: the key of agent \"{}\" must be a string or a number",
                           a.options.key, a.options.name)};
}

bool dispatcher::holds_own_key(const child_requested& c, const std::string& key) const {
  for (auto no = c.parent; no != 0;) {
    auto i = slots_.find(no);
    if (i == slots_.end())
      return false;
    const auto& s = i->second;
    if (s.key == key && !s.keyless && s.agent->options.name == c.agent)
      return true;
    no = s.parent_waits ? s.parent : 0;
  }
  return false;
}

void dispatcher::refuse_waiter(waiter& w, error why) {
  if (w.observer)
    w.observer->on_refused(why);
  else if (w.promise.pending())
    w.promise.deliver(invocation_reply{{}, store::status::failed, false, std::move(why)});
}

void dispatcher::report_child(const child_requested& c, result<std::string> value) {
  auto* parent = find(c.parent);
  if (parent == nullptr)
    return;
  if (parent->actor)
    tell(*parent, child_reported{c.at, c.generation, c.key, std::move(value)});
  else
    wake(*parent); // it asks again when it has replayed
}

void dispatcher::tell_parent(const slot& s, const result<std::string>& value) {
  if (s.parent == 0 || !s.parent_waits)
    return;
  auto* parent = find(s.parent);
  if (parent == nullptr)
    return;
  if (parent->actor)
    tell(*parent, child_reported{s.parent_at, s.parent_generation, s.idempotency_key, value});
  else
    wake(*parent);
}

void dispatcher::adopt_child(invocation_no parent, invocation_no child) {
  auto* p = find(parent);
  if (p == nullptr)
    return;
  more(*p).children.push_back(child);
  if (const auto* c = find(child); c != nullptr && setup_.env.streams != nullptr)
    setup_.env.streams->adopt(id_of(parent), stream_child{id_of(child), c->agent->options.name});
}

} // namespace troupe
