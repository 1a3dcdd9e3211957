// Saved states of keyed agents that are older than their agent keeps them: conversations that nobody goes
// on with. In pages, so that no step waits long; each says how far it has come, so that those that stay,
// because somebody works on them, do not hide the others.
#include "actors/flow/chat.hpp"
#include "actors/flow/dispatcher.hpp"

#include <algorithm>

namespace troupe {
namespace {

/// As finished invocations are purged.
constexpr std::chrono::seconds sweep_every{60};
/// States of one commit: some milliseconds.
constexpr std::uint32_t sweep_batch = 500;
/// Between two pages; so 1.8 million conversations an hour are forgotten.
constexpr std::chrono::seconds sweep_pause{1};

std::chrono::milliseconds state_ttl(const agent_options& agent) {
  return is_chat(agent) && !agent.key.empty() ? agent.chat.conversation_ttl
                                              : std::chrono::milliseconds{0};
}

} // namespace

void dispatcher::sweep() {
  if (std::none_of(agents_.begin(), agents_.end(),
                   [](const auto& a) { return state_ttl(a.second.options).count() > 0; }))
    return;
  bool fresh = sweeping_.empty();
  auto pages = std::exchange(sweeping_, {});
  auto pause = fresh ? sweep_every : sweep_pause;
  send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), sweep_timer,
                               setup_.env.clock.now() + pause});
  if (recovering_ || setup_.log.failed())
    return;
  for (const auto& [name, a] : agents_)
    if (fresh ? state_ttl(a.options).count() > 0 : pages.contains(name))
      sweep(a, fresh ? store::old_state{} : pages[name]);
}

void dispatcher::sweep(const agent_state& a, const store::old_state& last) {
  load_old_states ask;
  ask.agent = a.options.name;
  ask.before = setup_.env.clock.now() - state_ttl(a.options);
  ask.last = last;
  ask.limit = sweep_batch;
  auto before = ask.before;
  request(setup_.reader, std::chrono::seconds{60}, std::move(ask))
    .then(
      [this, &a, before](old_states_page& page) {
        if (!page.what || page.what->empty() || recovering_ || setup_.log.failed())
          return;
        forget(a, before, *page.what);
        if (page.what->size() < sweep_batch)
          return;
        sweeping_[a.options.name] = std::move(page.what->back());
        send(setup_.timer, arm_timer{caf::actor_cast<caf::actor>(this), sweep_timer,
                                     setup_.env.clock.now() + sweep_pause});
      },
      [](const caf::error&) {}); // the next round tries again
}

void dispatcher::forget(const agent_state& a, utc_time before,
                        const std::vector<store::old_state>& old) {
  auto busy = busy_keys(a);
  store::unit u;
  u.beside = std::make_shared<store::aside>();
  auto& gone = u.beside->states;
  gone.agent = a.options.name;
  gone.before = before; // one that was saved meanwhile stays
  for (const auto& s : old)
    if (!busy.contains(s.key))
      gone.keys.push_back(s.key);
  if (gone.keys.empty())
    return;
  setup_.env.events.write({level::info, "store.purged", {}, gone.agent, {}, "ok", 0, {},
                           {{"states", std::to_string(gone.keys.size())}}});
  setup_.log.append(std::move(u), {}, incarnation_, context());
}

// Of invocations that are open, also where they wait without their key: these read the state once more.
std::set<std::string> dispatcher::busy_keys(const agent_state& a) const {
  std::set<std::string> out;
  if (a.options.yields)
    for (const auto& [_, s] : slots_)
      if (s.agent == &a)
        out.insert(s.key);
  for (const auto& [key, _] : a.keys)
    out.insert(key);
  return out;
}

} // namespace troupe
