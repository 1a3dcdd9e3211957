#include "runtime/journal/stored_journal.hpp"

#include "runtime/core/json_text.hpp"

#include <cstring>
#include <map>
#include <optional>

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

constexpr auto digest_size = sizeof(digest::bytes);

// A link of a chain: what is before it, and what it holds.
struct link_bytes {
  digest before;
  digest item;
};

std::optional<link_bytes> as_link(const std::string& bytes) {
  if (bytes.size() != 2 * digest_size)
    return std::nullopt;
  link_bytes out;
  std::memcpy(out.before.bytes.data(), bytes.data(), digest_size);
  std::memcpy(out.item.bytes.data(), bytes.data() + digest_size, digest_size);
  return out;
}

bool is_json(const std::string& text) {
  json_reader in{text};
  return in.skip() && in.end();
}

// A state is a chain of pieces; in older journals, one blob, which is JSON as no link is.
result<void> fetch_state(store::durable_store& store, journal::payload& p) {
  if (auto fetched = fetch(store, p); !fetched || !p.stored || !as_link(p.text) || is_json(p.text))
    return fetched;
  std::vector<std::string> pieces;
  for (auto link = as_link(p.text); link;) {
    auto piece = store.load_blob(link->item);
    if (!piece)
      return std::move(piece).error();
    pieces.push_back(std::move(*piece));
    if (link->before == digest{})
      break;
    auto node = store.load_blob(link->before);
    if (!node)
      return std::move(node).error();
    link = as_link(*node);
    if (!link)
      return error{errc::corrupted, "what should be a link of a state is none"};
  }
  p.text.clear();
  for (auto i = pieces.rbegin(); i != pieces.rend(); ++i)
    p.text += *i;
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
    return fetch_state(store, p->state);
  if (auto* p = std::get_if<journal::resolved>(&e))
    return fetch(store, p->value);
  if (auto* p = std::get_if<journal::note>(&e))
    return fetch(store, p->detail);
  if (auto* p = std::get_if<journal::ended>(&e))
    return fetch(store, p->value);
  return {};
}

// The link named `at` and those before it, as far as they are not there yet.
result<void> fetch_chain(store::durable_store& store, digest at,
                         std::map<digest, journal::chain_link>& into) {
  while (at != digest{} && !into.contains(at)) {
    auto node = store.load_blob(at);
    if (!node)
      return std::move(node).error();
    auto parts = as_link(*node);
    if (!parts)
      return error{errc::corrupted, "what should be a message's link is none"};
    journal::chain_link link;
    link.before = parts->before;
    auto text = store.load_blob(parts->item);
    if (!text)
      return std::move(text).error();
    link.text = std::move(*text);
    auto before = link.before;
    into.emplace(at, std::move(link));
    at = before;
  }
  return {};
}

result<void> fetch_arguments(store::durable_store& store, journal::command& c,
                             std::map<digest, journal::chain_link>& chain) {
  if (!c.detail.stored)
    return {};
  if (c.kind == journal::effect_kind::model)
    return fetch_chain(store, c.detail.hash, chain);
  c.detail.stored = false;
  auto text = store.load_blob(c.detail.hash);
  if (!text)
    return std::move(text).error();
  c.detail.text = std::move(*text);
  return {};
}

} // namespace

result<std::vector<journal::row>> load_rows(store::durable_store& store,
                                            journal::invocation_no no) {
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

result<journal::exported> load_exported(store::durable_store& store, journal::invocation_no no,
                                        std::string agent_class) {
  auto record = store.find(no);
  if (!record)
    return std::move(record).error();
  if (!*record)
    return error{errc::not_found, "no invocation " + std::to_string(no)};
  auto& r = **record;
  journal::exported out;
  out.id = store::invocation_id(store.tag(), no);
  out.no = no;
  out.agent = r.agent;
  out.agent_class = std::move(agent_class);
  out.key = r.key;
  out.status = to_string(r.state);
  if (r.parent != 0)
    out.parent = store::invocation_id(store.tag(), r.parent);
  auto rows = load_rows(store, no);
  if (!rows)
    return std::move(rows).error();
  out.rows = std::move(*rows);
  for (auto& row : out.rows)
    for (auto& e : row.entries)
      if (auto* c = std::get_if<journal::command>(&e))
        if (auto fetched = fetch_arguments(store, *c, out.chain); !fetched)
          return error{errc::corrupted, "journal row " + std::to_string(row.at) + " of "
                                          + out.id + ": " + fetched.error().message};
  return out;
}

} // namespace troupe
