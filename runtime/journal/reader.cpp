#include "runtime/journal/reader.hpp"

#include <caf/event_based_actor.hpp>

namespace troupe {
namespace {

// Fetches a payload's bytes where the row holds only their hash.
result<void> fetch(store::durable_store& store, journal::payload& p) {
  if (!p.stored)
    return {};
  auto bytes = store.load_blob(p.hash);
  if (!bytes)
    return std::move(bytes).error();
  p.text = std::move(*bytes);
  return {};
}

// A model call's messages are not needed for replay, and fetching a chain of them for each turn
// would make waking a chat quadratic: commands keep their hashes.
result<void> fetch(store::durable_store& store, journal::entry& e) {
  if (auto* p = std::get_if<journal::started>(&e))
    return fetch(store, p->input);
  if (auto* p = std::get_if<journal::completion>(&e))
    return fetch(store, p->value);
  if (auto* p = std::get_if<journal::local>(&e))
    return fetch(store, p->value);
  if (auto* p = std::get_if<journal::signalled>(&e))
    return fetch(store, p->value);
  if (auto* p = std::get_if<journal::generation_began>(&e))
    return fetch(store, p->state);
  if (auto* p = std::get_if<journal::state_loaded>(&e))
    return fetch(store, p->state);
  if (auto* p = std::get_if<journal::resolved>(&e))
    return fetch(store, p->value);
  if (auto* p = std::get_if<journal::note>(&e))
    return fetch(store, p->detail);
  if (auto* p = std::get_if<journal::ended>(&e))
    return fetch(store, p->value);
  return {};
}

result<std::vector<journal::row>> load_rows(store::durable_store& store, invocation_no no) {
  auto stored = store.load(no);
  if (!stored)
    return std::move(stored).error();
  std::vector<journal::row> rows;
  rows.reserve(stored->size());
  for (const auto& s : *stored) {
    auto row = journal::decode_row(s.at, no, s.bytes);
    if (!row)
      return std::move(row).error();
    for (auto& e : row->entries)
      if (auto fetched = fetch(store, e); !fetched)
        return error{errc::corrupted, "journal row " + std::to_string(s.at) + " of invocation "
                                        + std::to_string(no) + ": " + fetched.error().message};
    rows.push_back(std::move(*row));
  }
  if (rows.empty())
    return error{errc::not_found, "no journal of invocation " + std::to_string(no)};
  return rows;
}

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

} // namespace

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
      [&store](const load_open& ask) { return open_page{store.open_after(ask.after, ask.limit)}; },
      [&store](const load_finished& ask) {
        return finished_page{store.finished_before(ask.before, ask.limit)};
      },
    };
  });
}

} // namespace troupe
