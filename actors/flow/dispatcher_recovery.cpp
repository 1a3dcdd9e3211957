// Taking up what was open: at start, and after a commit has failed.
#include "actors/flow/dispatcher.hpp"

#include <algorithm>
#include <charconv>

namespace troupe {
namespace {

constexpr std::uint32_t page_size = 5'000;

// `recovery_rate` is kept in steps of this length: short enough that 10,000 invocations begin
// smoothly, long enough that the timer is no load.
constexpr std::chrono::milliseconds take_up_step{10};

// `path|seq|generation + 1`, as `accept` writes it; generation 0: the parent does not wait.
void read_parent_effect(std::string_view text, journal::address& at, std::uint32_t& generation,
                        bool& waits) {
  auto first = text.find('|');
  auto second = text.rfind('|');
  if (first == std::string_view::npos || second == first)
    return;
  at.path = text.substr(0, first);
  std::from_chars(text.data() + first + 1, text.data() + second, at.seq);
  std::uint32_t g = 0;
  std::from_chars(text.data() + second + 1, text.data() + text.size(), g);
  waits = g > 0;
  generation = g > 0 ? g - 1 : 0;
}

} // namespace

void dispatcher::recover() {
  recovering_ = true;
  incarnation_ = setup_.log.incarnation();
  last_no_ = std::max(last_no_, setup_.log.store().last_invocation());
  counting_since_ = setup_.env.clock.steady();
  request(setup_.reader, std::chrono::seconds{600}, load_open{0, page_size})
    .then([this](open_page& page) { on_open_page(page); },
          [this](const caf::error&) {
            if (setup_.on_fatal)
              setup_.on_fatal(error{errc::unavailable, "the store could not be read"});
          });
}

void dispatcher::on_open_page(open_page& page) {
  if (setup_.log.failed())
    return; // `log_recovered` begins anew
  if (!page.what) {
    if (setup_.on_fatal)
      setup_.on_fatal(page.what.error());
    return;
  }
  for (auto& e : *page.what)
    adopt(e);
  if (page.what->size() == page_size) {
    request(setup_.reader, std::chrono::seconds{600},
            load_open{page.what->back().no, page_size})
      .then([this](open_page& next) { on_open_page(next); },
            [this](const caf::error&) {
              if (setup_.on_fatal)
                setup_.on_fatal(error{errc::unavailable, "the store could not be read"});
            });
    return;
  }
  recovering_ = false;
  setup_.env.events.write({level::info, "dispatcher.recovered", {}, {}, {}, "ok", 0, {},
                           {{"open", std::to_string(slots_.size())}}});
  auto waiting = std::exchange(stashed_, {});
  for (auto& f : waiting)
    f();
  take_up();
  purge();
}

void dispatcher::adopt(store::open_entry& e) {
  auto agent = agents_.find(e.agent);
  if (agent == agents_.end()) {
    // Its agent was taken out of the topology: it stays in the store, untouched.
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
  read_parent_effect(e.parent_effect, s.parent_at, s.parent_generation, s.parent_waits);
  auto me = caf::actor_cast<caf::actor>(this);
  if (s.deadline != never)
    send(setup_.timer, arm_timer{me, s.no | deadline_bit, s.deadline});
  if (!s.idempotency_key.empty())
    keys_[{e.agent, s.idempotency_key}] = s.no;
  ++s.agent->open;
  bool asleep = s.state == store::status::suspended || s.state == store::status::parked
                || s.state == store::status::quarantined;
  if (!s.key.empty()) {
    auto& line = s.agent->keys[s.key];
    line.push_back(s.no);
    if (line.front() != s.no) {
      asleep = true; // its turn comes when the key is free
      s.state = store::status::queued;
    }
  }
  if (s.state == store::status::suspended && s.wake_at != never)
    send(setup_.timer, arm_timer{me, s.no, s.wake_at});
  if (!asleep)
    to_take_up_.push_back(s.no);
  slots_.emplace(s.no, std::move(s));
}

void dispatcher::take_up() {
  auto step = std::max<std::uint64_t>(
    1, setup_.options.recovery_rate * static_cast<std::uint64_t>(take_up_step.count()) / 1000);
  for (std::uint64_t i = 0; i < step && !to_take_up_.empty(); ++i) {
    auto no = to_take_up_.front();
    to_take_up_.pop_front();
    if (auto* s = find(no); s != nullptr && !s->actor && s->ended_at == 0)
      take_key(*s);
  }
  if (!to_take_up_.empty())
    send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), take_up_timer,
                                 setup_.env.clock.now() + take_up_step});
  else
    check_idle();
}

void dispatcher::on_log_failed(const error& why) {
  // What these actors know may rest on entries that are gone. They end, and what is durable is
  // taken up again by new ones.
  for (auto& [_, s] : slots_) {
    if (s.actor)
      send_exit(s.actor, caf::exit_reason::kill);
    if (!s.more)
      continue;
    auto lost = error{errc::store_failed, why.message};
    for (auto& w : s.more->waiters) {
      if (w.observer && w.told)
        w.observer->on_ended(id_of(s.no), outcome{store::status::running, lost});
      else
        refuse_waiter(w, lost);
    }
    for (auto& c : s.more->commands)
      c.promise.deliver(command_reply{lost});
  }
  slots_.clear();
  keys_.clear();
  to_take_up_.clear();
  begin_after_.clear();
  for (auto& [_, a] : agents_) {
    a.open = a.live = 0;
    a.queue.clear();
    a.keys.clear();
  }
  send(setup_.timer, disarm_timers{address()});
  recovering_ = true;
  if (why.code == errc::fenced && setup_.on_fatal)
    setup_.on_fatal(why);
}

void dispatcher::on_log_recovered() {
  recover();
}

} // namespace troupe
