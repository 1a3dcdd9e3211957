// Taking up what was open: at start, and after a commit has failed.
#include "actors/flow/dispatcher.hpp"
#include "actors/flow/parent_effect.hpp"

#include "runtime/core/planted.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::uint32_t page_size = 5'000;

// `recovery_rate` is kept in steps of this length: short enough that 10,000 invocations begin
// smoothly, long enough that the timer is no load.
constexpr std::chrono::milliseconds take_up_step{10};

} // namespace

void dispatcher::recover() {
  recovering_ = true;
  incarnation_ = setup_.log.incarnation();
  last_no_ = std::max(last_no_, setup_.log.store().last_invocation());
  counting_since_ = setup_.env.clock.steady();
  unsettled_stored_.clear();
  load_page(0);
}

void dispatcher::load_page(invocation_no after) {
  request(setup_.reader, std::chrono::seconds{600}, load_open{after, page_size})
    .then(
      [this, incarnation = incarnation_](open_page& page) {
        if (incarnation == setup_.log.incarnation()) // else `log_recovered` begins anew
          on_open_page(page);
      },
      [this](const caf::error&) {
        if (setup_.on_fatal)
          setup_.on_fatal(error{errc::unavailable, "the store could not be read"});
      });
}

void dispatcher::on_open_page(open_page& page) {
  if (!page.what) {
    if (setup_.on_fatal)
      setup_.on_fatal(page.what.error());
    return;
  }
  if (!page.unsettled.empty()) // of the first page
    unsettled_stored_ = std::move(page.unsettled);
  for (auto& e : *page.what)
    adopt(e);
  if (page.what->size() == page_size) {
    load_page(page.what->back().no);
    return;
  }
  recovering_ = false;
  recover_unsettled(unsettled_stored_);
  unsettled_stored_.clear();
  setup_.env.events.write({level::info, "dispatcher.recovered", {}, {}, {}, "ok", 0, {},
                           {{"open", std::to_string(slots_.size())}}});
  cancel_orphans();
  unstash();
  take_up();
  purge();
  sweep();
}

// A parent that has ended while a child it waited for is open had given the child up (it lost a
// race): the end was durable, and the cancellation of the child was not yet.
void dispatcher::cancel_orphans() {
  std::vector<invocation_no> orphans;
  for (const auto& [no, s] : slots_)
    if (s.parent != 0 && s.parent_waits && !slots_.contains(s.parent)
        && !out_of_topology_.contains(s.parent))
      orphans.push_back(no);
  std::sort(orphans.begin(), orphans.end()); // the same run must be the same run
  out_of_topology_.clear();
  for (auto no : orphans) {
    auto* s = find(no);
    s->parent_waits = false;
    cancel(*s, journal::cancel_reason::parent, nullptr);
  }
}

void dispatcher::adopt(store::open_entry& e) {
  auto agent = agents_.find(e.agent);
  if (agent == agents_.end()) {
    // Its agent was taken out of the topology: it stays in the store, untouched.
    out_of_topology_.insert(e.no);
    setup_.env.events.write({level::warning, "dispatcher.agent_gone", id_of(e.no), e.agent, {},
                             "not_found", 0, {}, {}});
    return;
  }
  slot s;
  s.no = e.no;
  s.agent = &agent->second;
  s.key = std::move(e.key);
  s.idempotency_key = std::move(e.idempotency_key);
  s.input_hash = e.input_hash;
  s.deadline = e.deadline;
  s.state = e.state;
  s.wake_at = e.wake_at;
  s.parent = e.parent;
  s.tree = s.parent;
  if (auto above = read_parent_effect(e.parent_effect)) {
    s.parent_at = std::move(above->at);
    // A further run was ordered by a person; a parent that waits for it, too, asks again.
    s.parent_waits = above->generation > 0 && e.run == 0;
    s.parent_generation = above->generation > 0 ? above->generation - 1 : 0;
    s.depth = above->depth;
    if (above->tree != 0)
      s.tree = above->tree;
    if (!above->tenant.empty())
      s.tenant = std::make_shared<const std::string>(std::move(above->tenant));
  }
  auto me = caf::actor_cast<caf::actor>(this);
  if (s.deadline != never && !planted(planted_bug::deadline_not_rearmed))
    send(setup_.timer, arm_timer{me, s.no | deadline_bit, s.deadline});
  if (!s.idempotency_key.empty())
    keys_[{e.agent, s.idempotency_key}] = s.no;
  ++s.agent->open;
  // What was due while the process was down is taken up at `recovery_rate` as well.
  bool yielded = s.state == store::status::suspended && s.agent->options.yields && !s.key.empty();
  bool due = s.wake_at <= setup_.env.clock.now() || yielded;
  bool waits = s.state == store::status::suspended || s.state == store::status::parked;
  bool asleep = s.state == store::status::quarantined || (waits && !due);
  s.keyless = yielded;
  if (!s.key.empty() && !yielded) // the one that has begun has the key
    stand_in_line(s, s.state != store::status::queued);
  if (waits && s.wake_at != never && asleep && !planted(planted_bug::sleeper_not_rearmed))
    send(setup_.timer, arm_timer{me, s.no, s.wake_at});
  if (!asleep)
    to_take_up_.push_back(s.no);
  auto& kept = slots_.emplace(s.no, std::move(s)).first->second;
  if (kept.parent_waits)
    adopt_child(kept.parent, kept.no);
}

void dispatcher::take_up() {
  auto step = std::max<std::uint64_t>(
    1, setup_.options.recovery_rate * static_cast<std::uint64_t>(take_up_step.count()) / 1000);
  for (std::uint64_t i = 0; i < step && !to_take_up_.empty(); ++i) {
    auto no = to_take_up_.front();
    to_take_up_.pop_front();
    if (auto* s = find(no))
      take_up(*s);
  }
  if (!to_take_up_.empty())
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), take_up_timer,
                                 setup_.env.clock.now() + take_up_step});
  else
    check_idle();
}

void dispatcher::on_log_failed(const error& why) {
  send(ledger_, forget_claims{});
  // What these actors know may rest on entries that are gone. They end, and what is durable is
  // taken up again by new ones.
  for (auto& [_, s] : slots_) {
    if (s.actor)
      send_exit(s.actor, caf::exit_reason::kill);
  }
  tell_all(error{errc::store_failed, why.message});
  for (auto& [_, p] : std::exchange(letter_replies_, {}))
    p.deliver(command_reply{error{errc::store_failed, why.message}});
  slots_.clear();
  if (!planted(planted_bug::rollback_keeps_table))
    keys_.clear();
  to_take_up_.clear();
  ending_ = 0;
  begin_after_.clear();
  for (auto& [_, a] : agents_) {
    a.open = a.live = a.in_lines = 0;
    a.queue.clear();
    a.keys.clear();
  }
  send(setup_.timer, disarm_timers{address()});
  recovering_ = true;
  if (why.code == errc::fenced && setup_.on_fatal)
    setup_.on_fatal(why);
}

// To whoever waits for anything: it will not come from this life.
void dispatcher::tell_all(const error& why) {
  for (auto& [no, s] : slots_) {
    if (!s.more)
      continue;
    for (auto& w : s.more->waiters) {
      if (w.observer && w.told)
        w.observer->on_ended(id_of(no), outcome{store::status::running, why});
      else
        refuse_waiter(w, why);
    }
    for (auto& c : s.more->commands)
      c.promise.deliver(command_reply{why});
    s.more->waiters.clear();
    s.more->commands.clear();
  }
}

void dispatcher::on_log_recovered() {
  recover();
}

} // namespace troupe
