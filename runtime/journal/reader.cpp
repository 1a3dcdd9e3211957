#include "runtime/journal/reader.hpp"

#include "runtime/journal/stored_journal.hpp"

#include <caf/event_based_actor.hpp>

namespace troupe {
namespace {

history load(store::durable_store& store, const load_history& ask) {
  history h{std::vector<journal::row>{}, {}};
  if (ask.no != 0)
    h.rows = load_rows(store, ask.no);
  if (ask.key.empty())
    return h;
  auto state = store.load_state(ask.agent, ask.key);
  if (!state)
    h.rows = std::move(state).error();
  else
    h.state = state->value_or(std::string{});
  return h;
}

result<std::optional<store::claim>> load_claim(store::durable_store& store,
                                               const store::claim_key& what) {
  auto found = store.find_claim(what);
  if (!found || !*found || !(*found)->answer.stored)
    return found;
  auto answer = store.load_blob((*found)->answer.hash);
  if (!answer)
    return answer.error();
  (*found)->answer.text = std::move(*answer);
  return found;
}

open_page load(store::durable_store& store, const load_open& ask) {
  open_page page{store.open_after(ask.after, ask.limit)};
  for (std::size_t n = 0; page.what && ask.after == 0 && n < unsettled_kept_max; ++n) {
    auto kept = store.load_state({}, unsettled_key(n));
    if (!kept)
      page.what = std::move(kept).error();
    else if (*kept)
      page.unsettled.push_back(std::move(**kept));
    else
      break;
  }
  return page;
}

} // namespace

std::string unsettled_key(std::size_t place) {
  return "unsettled/" + std::to_string(place);
}

caf::actor spawn_reader(caf::actor_system& system, journal::commit_log& log) {
  auto& store = log.store();
  return system.spawn([&store](caf::event_based_actor*) -> caf::behavior {
    return {
      [&store](const load_history& ask) { return load(store, ask); },
      [&store](const find_record& ask) {
        return ask.no != 0 ? found_record{store.find(ask.no)}
                           : found_record{store.find(ask.agent, ask.idempotency_key)};
      },
      [&store](const list_records& ask) { return listed_records{store.list(ask.which)}; },
      [&store](const load_export& ask) {
        auto whole = load_exported(store, ask.no, ask.agent_class);
        return exported_text{whole ? journal::write_export(*whole) : std::move(whole).error()};
      },
      [&store](const load_open& ask) { return load(store, ask); },
      [&store](const load_finished& ask) {
        return finished_page{store.finished_before(ask.before, ask.keyed, ask.limit)};
      },
      [&store](const load_old_states& ask) {
        return old_states_page{store.old_states(ask.agent, ask.before, ask.last, ask.limit)};
      },
      [&store](const find_claim& ask) { return found_claim{load_claim(store, ask.what)}; },
      [&store](const count_claims& ask) { return counted_claims{store.count_claims(ask.now)}; },
      [&store](const list_letters& ask) {
        return listed_letters{store.letters(ask.before, ask.limit)};
      },
    };
  });
}

} // namespace troupe
