#include "tests/kit/invariants.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace troupe::kit {
namespace {

using journal::effect_kind;

/// Reads a journal from its beginning and stops at the first thing that cannot be.
class reading {
public:
  std::string flaw(const std::vector<journal::row>& rows) {
    for (const auto& r : rows) {
      if (r.run != journal::outside && (r.run != run_ || r.generation != generation_))
        turn_page(r);
      for (const auto& e : r.entries) {
        std::visit([&](const auto& x) { take(x, r); }, e);
        if (!flaw_.empty())
          return fmt::format("row {}: {}", r.at, flaw_);
      }
    }
    return {};
  }

private:
  void turn_page(const journal::row& r) {
    if (r.run < run_ || (r.run == run_ && r.generation < generation_))
      flaw_ = fmt::format("run {} generation {} after run {} generation {}", r.run, r.generation,
                          run_, generation_);
    open_.clear();
    settled_.clear();
    run_ = r.run;
    generation_ = r.generation;
  }

  template <class Entry>
  void take(const Entry&, const journal::row& r) {
    lives(r);
  }
  void take(const journal::note&, const journal::row&) {}
  void take(const journal::signalled& s, const journal::row& r) {
    auto id = s.id != 0 ? s.id : r.at;
    if (consumed_.contains(id))
      flaw_ = fmt::format("signal {} is there again after it was consumed", id);
  }
  void take(const journal::run_began&, const journal::row&) {
    ended_ = false;
    retried_ = true; // what of the run before stands is the replay's business
    open_.clear();
    settled_.clear();
    consumed_.clear();
  }
  void take(const journal::ended&, const journal::row& r) {
    lives(r);
    ended_ = true;
  }
  void take(const journal::command& c, const journal::row& r) {
    lives(r);
    if (settled_.contains(c.at) && !retried_)
      flaw_ = fmt::format("a command at {}, which is settled", to_string(c.at));
    open_.insert(c.at);
  }
  void take(const journal::completion& c, const journal::row& r) {
    lives(r);
    if (open_.erase(c.at) == 0 && !retried_)
      flaw_ = fmt::format("a completion at {}, where nothing is open", to_string(c.at));
    settled_.insert(c.at);
    if (c.signal != 0 && !consumed_.insert(c.signal).second)
      flaw_ = fmt::format("signal {} is consumed twice", c.signal);
  }
  void lives(const journal::row& r) {
    if (ended_ && r.run != journal::outside)
      flaw_ = "it goes on after its end";
  }

  std::uint32_t run_ = 0;
  std::uint32_t generation_ = 0;
  bool ended_ = false;
  bool retried_ = false;
  std::set<journal::address> open_, settled_;
  std::set<std::uint64_t> consumed_;
  std::string flaw_;
};

struct span {
  journal::lsn first = 0;
  journal::lsn last = 0;
  journal::invocation_no no = 0;
};

/// From the first row that an invocation wrote itself to its last.
std::optional<span> own_rows(const std::vector<journal::row>& rows, journal::invocation_no no) {
  std::optional<span> own;
  for (const auto& r : rows)
    if (r.run != journal::outside)
      own = span{own ? own->first : r.at, r.at, no};
  return own;
}

void check_writers(const std::map<std::string, std::vector<span>>& by_key) {
  for (auto [key, spans] : by_key) {
    std::sort(spans.begin(), spans.end(),
              [](const span& a, const span& b) { return a.first < b.first; });
    for (std::size_t i = 1; i < spans.size(); ++i)
      if (spans[i].first < spans[i - 1].last)
        throw violation{"one writer a key",
                        fmt::format("{}: invocation {} wrote rows {} to {}, invocation {} rows {} "
                                    "to {}",
                                    key, spans[i - 1].no, spans[i - 1].first, spans[i - 1].last,
                                    spans[i].no, spans[i].first, spans[i].last)};
  }
}

} // namespace

std::vector<store::record> records_of(store::durable_store& store, const store::filter& which) {
  auto found = store.list(which);
  if (!found)
    throw violation{"journals", to_string(found.error())};
  return std::move(*found);
}

std::vector<journal::row> rows_of(store::durable_store& store, journal::invocation_no no) {
  std::vector<journal::row> out;
  auto stored = store.load(no);
  if (!stored)
    throw violation{"journals", to_string(stored.error())};
  for (const auto& s : *stored) {
    auto row = journal::decode_row(s.at, no, s.bytes);
    if (!row)
      throw violation{"journals", to_string(row.error())};
    out.push_back(std::move(*row));
  }
  return out;
}

std::string flaw_of(const std::vector<journal::row>& rows) {
  return reading{}.flaw(rows);
}

bool is_commanded(store::durable_store& store, const call_request& r) {
  auto no = store::invocation_number(store.tag(), r.invocation);
  if (!no)
    return false;
  auto arguments = short_hash(r.body);
  for (const auto& row : rows_of(store, *no))
    for (const auto& e : row.entries)
      if (const auto* c = std::get_if<journal::command>(&e);
          c != nullptr && c->arguments == arguments && "tool:" + c->name == r.service)
        return true;
  return false;
}

std::string unpunctual(const std::vector<journal::row>& rows, const punctuality& p) {
  std::map<journal::address, journal::command> open;
  for (const auto& r : rows)
    for (const auto& e : r.entries) {
      if (const auto* c = std::get_if<journal::command>(&e))
        open.insert_or_assign(c->at, *c);
      else if (const auto* p = std::get_if<journal::parked>(&e))
        open.erase(p->at); // a person takes the time that it takes
      const auto* done = std::get_if<journal::completion>(&e);
      auto i = done == nullptr ? open.end() : open.find(done->at);
      if (i == open.end())
        continue;
      auto c = std::move(i->second);
      open.erase(i);
      if (c.kind == effect_kind::sleep && done->ok && done->when < c.sent)
        return fmt::format("the timer at {} rang {} ms early", to_string(c.at),
                           (c.sent - done->when) / std::chrono::milliseconds{1});
      auto real = std::find(p.tools.begin(), p.tools.end(), c.name) != p.tools.end();
      auto latest = c.sent + p.slack;
      if (c.kind == effect_kind::tool && real)
        latest += p.total_timeout;
      else if (c.kind != effect_kind::sleep || !done->ok)
        continue;
      if (c.sent > p.since && done->when > latest)
        return fmt::format("{} \"{}\" at {} ended {} ms later than it may", to_string(c.kind),
                           c.name, to_string(c.at),
                           (done->when - latest) / std::chrono::milliseconds{1});
    }
  return {};
}

std::string breaker_flaw(const std::vector<std::string>& trace) {
  struct probes {
    std::set<std::string> begun; ///< since it tripped
    bool answered = false;
  };
  std::map<std::string, probes> tripped;
  for (const auto& line : trace) {
    if (line.find("breaker.changed") == std::string::npos
        && line.find("\"far_side.") == std::string::npos)
      continue;
    auto e = boost::json::parse(line).as_object();
    auto text = [&](const char* field) {
      const auto* v = e.if_contains(field);
      return v == nullptr ? std::string{} : std::string{v->as_string()};
    };
    auto tool = text("tool"), result = text("result");
    auto i = tripped.find(tool);
    if (text("event") == "breaker.changed" && result == "open") {
      if (i != tripped.end() && i->second.begun.empty())
        return tool + " tripped again, and nothing was tried since it tripped";
      tripped[tool] = {};
    } else if (text("event") == "breaker.changed" && result == "closed") {
      if (i != tripped.end() && !i->second.answered)
        return tool + " closed, and nothing that was tried since it tripped was answered";
      tripped.erase(tool);
    } else if (i != tripped.end() && text("event") == "far_side.begun") {
      i->second.begun.insert(text("attempt_id"));
    } else if (i != tripped.end() && i->second.begun.contains(text("attempt_id"))) {
      i->second.answered = i->second.answered || result == "ok" || result == "failed";
    }
  }
  return {};
}

void check_store(store::durable_store& store, const std::vector<std::string>& yielding,
                 bool at_the_end) {
  store::filter all;
  all.limit = store::list_max;
  std::map<std::string, std::vector<span>> by_key;
  for (const auto& r : records_of(store, all)) {
    if (r.state == store::status::paused || r.state == store::status::quarantined)
      throw violation{"journals", fmt::format("invocation {} of {} is {}", r.no, r.agent,
                                              store::to_string(r.state))};
    if (at_the_end && store::is_open(r.state))
      throw violation{"an end", fmt::format("invocation {} of {} is still {}", r.no, r.agent,
                                            store::to_string(r.state))};
    auto rows = rows_of(store, r.no);
    if (auto flaw = flaw_of(rows); !flaw.empty())
      throw violation{"journals", fmt::format("invocation {} of {}: {}", r.no, r.agent, flaw)};
    auto shared = std::find(yielding.begin(), yielding.end(), r.agent) != yielding.end();
    if (auto own = own_rows(rows, r.no); own && !r.key.empty() && !shared)
      by_key[r.agent + " " + r.key].push_back(*own);
  }
  check_writers(by_key);
}

void check_effects(const far_side& far) {
  if (auto twice = far.doubled(); !twice.empty())
    throw violation{"effects", twice.front()};
  if (!far.reused_keys().empty())
    throw violation{"effects", "one key for two requests: " + far.reused_keys().front()};
}

} // namespace troupe::kit
