#pragma once
// A journal as a text file, so that a change of its binary form shows in a diff.
//
//   # A race whose loser is in flight when the winner comes in.
//   journal format 1 invocation 1 agent golden_race
//   row 2 01000001...
//   #  command 0.0/0 tool "charge" ...
//
// A row is its LSN and its bytes in hex; the lines below it say for people what is in it. `blob`
// and `node` lines hold what the rows refer to by hash.

#include "runtime/journal/entry.hpp"
#include "runtime/store/references.hpp"
#include "runtime/store/store.hpp"

#include <fmt/format.h>

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::golden {

struct journal_file {
  std::string about;
  journal::invocation_no no = 1;
  std::string agent;
  std::string key; ///< of a keyed agent
  std::vector<store::stored_row> rows;
  std::vector<store::blob> blobs;
};

inline std::string hex(std::string_view bytes) {
  std::string out;
  for (auto c : bytes)
    out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

inline std::string bytes_of(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string{hex.substr(i, 2)}, nullptr, 16)));
  return out;
}

inline std::string text_of(const journal::payload& p) {
  return p.stored ? "blob " + to_hex(p.hash).substr(0, 12) : p.text.empty() ? "(empty)" : p.text;
}

inline std::string text_of(bool ok, const journal::payload& value, const error& failure) {
  if (ok)
    return "ok " + text_of(value);
  return fmt::format("{} ({})", to_string(failure),
                     failure.outcome == certainty::unknown ? "may have happened" : "definite");
}

/// What an entry says, for people.
struct describer {
  std::string operator()(const journal::started& e) const {
    return fmt::format("agent \"{}\" version {} input {} created {}", e.agent, e.version,
                       text_of(e.input), to_string(e.created))
           + (e.deadline == never ? "" : " deadline " + to_string(e.deadline));
  }
  std::string operator()(const journal::command& e) const {
    return fmt::format("{} {} \"{}\" {} arguments {:016x}{} {} {} detail {}", to_string(e.at),
                       to_string(e.kind), e.name, to_string(e.cls), e.arguments,
                       e.key.empty() ? "" : " key " + e.key,
                       e.kind == journal::effect_kind::sleep ? "due" : "sent", to_string(e.sent),
                       text_of(e.detail));
  }
  std::string operator()(const journal::completion& e) const {
    return fmt::format("{} {} at {}", to_string(e.at), text_of(e.ok, e.value, e.failure),
                       to_string(e.when))
           + (e.signal == 0 ? "" : fmt::format(" signal {}", e.signal));
  }
  std::string operator()(const journal::local& e) const {
    return fmt::format("{} {} {}", to_string(e.at), to_string(e.kind), text_of(e.value));
  }
  std::string operator()(const journal::note& e) const {
    return fmt::format("{} {} at {}", e.name, text_of(e.detail), to_string(e.when));
  }
  std::string operator()(const journal::signalled& e) const {
    return fmt::format("id {} \"{}\" {} at {}", e.id, e.name, text_of(e.value), to_string(e.when));
  }
  std::string operator()(const journal::cancel_asked& e) const {
    return fmt::format("{} at {}", to_string(e.reason), to_string(e.when));
  }
  std::string operator()(const journal::cancel_delivered&) const { return "all that waits"; }
  std::string operator()(const journal::generation_began& e) const {
    auto text = "state " + text_of(e.state);
    for (const auto& [id, yes] : e.patches)
      text += fmt::format(" patched \"{}\" {}", id, yes);
    return text;
  }
  std::string operator()(const journal::run_began& e) const {
    return fmt::format("kept {}", e.kept);
  }
  std::string operator()(const journal::parked& e) const {
    return fmt::format("{} {} since {}", to_string(e.at), e.why, to_string(e.since));
  }
  std::string operator()(const journal::resolved& e) const {
    constexpr std::string_view verdicts[]{"done", "not_done", "abort"};
    return fmt::format("{} {} {}", to_string(e.at), verdicts[static_cast<std::size_t>(e.decision)],
                       text_of(e.value));
  }
  std::string operator()(const journal::state_loaded& e) const { return text_of(e.state); }
  std::string operator()(const journal::compensated& e) const {
    return fmt::format("{} by {} at {}", to_string(e.step), to_string(e.by), to_string(e.when));
  }
  std::string operator()(const journal::answered_by& e) const {
    return fmt::format("{} {} {}", to_string(e.at), e.invocation, e.effect);
  }
  std::string operator()(const journal::died& e) const {
    return fmt::format("{} {} at {}", to_string(e.at), e.what, to_string(e.when));
  }
  std::string operator()(const journal::ended& e) const {
    return fmt::format("{} at {}", text_of(e.ok, e.value, e.failure), to_string(e.when));
  }
};

inline std::string describe(const journal::entry& e) {
  return fmt::format("{} {}", journal::name_of(e), std::visit(describer{}, e));
}

inline std::string run_text(std::uint32_t n) {
  return n == journal::outside ? "-" : std::to_string(n);
}

/// The file as it stands on disk.
inline std::string write(const journal_file& f) {
  auto out = fmt::format("# {}\njournal format {} invocation {} agent {}{}\n", f.about,
                         journal::format_version, f.no, f.agent,
                         f.key.empty() ? "" : " key " + f.key);
  for (const auto& r : f.rows) {
    out += fmt::format("row {} {}\n", r.at, hex(r.bytes));
    auto row = journal::decode_row(r.at, f.no, r.bytes);
    if (!row) {
      out += fmt::format("#  {}\n", to_string(row.error()));
      continue;
    }
    out += fmt::format("#  run {} generation {}\n", run_text(row->run), run_text(row->generation));
    for (const auto& e : row->entries)
      out += fmt::format("#  {}\n", describe(e));
  }
  for (const auto& b : f.blobs)
    out += fmt::format("{} {} {}\n", b.node ? "node" : "blob", to_hex(b.hash), hex(b.bytes));
  return out;
}

/// The inverse; lines for people are skipped.
inline journal_file parse(const std::string& text) {
  journal_file f;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string what;
    words >> what;
    if (what == "#" && f.about.empty()) {
      f.about = line.substr(2);
    } else if (what == "journal") {
      std::string skip;
      words >> skip >> skip >> skip >> f.no >> skip >> f.agent >> skip >> f.key;
    } else if (what == "row") {
      std::string bytes;
      auto& r = f.rows.emplace_back();
      words >> r.at >> bytes;
      r.bytes = bytes_of(bytes);
    } else if (what == "blob" || what == "node") {
      std::string hash;
      std::string bytes;
      words >> hash >> bytes;
      f.blobs.push_back({digest_from_hex(hash).value(), bytes_of(bytes), what == "node"});
    }
  }
  return f;
}

/// Reads one invocation out of a store, with the blobs that it refers to.
inline journal_file take(store::durable_store& from, journal::invocation_no no, std::string about) {
  journal_file f;
  f.about = std::move(about);
  f.no = no;
  auto record = from.find(no).value().value();
  f.agent = record.agent;
  f.key = record.key;
  f.rows = from.load(no).value();
  std::set<digest> seen;
  std::vector<digest> open;
  for (const auto& r : f.rows)
    for (const auto& d : store::references_of(r.at, no, r.bytes))
      open.push_back(d);
  for (std::size_t i = 0; i < open.size(); ++i) {
    if (!seen.insert(open[i]).second)
      continue;
    auto bytes = from.load_blob(open[i]).value();
    // Of the golden payloads only nodes are of this length.
    auto children = store::children_of(bytes);
    f.blobs.push_back({open[i], std::move(bytes), !children.empty()});
    open.insert(open.end(), children.begin(), children.end());
  }
  return f;
}

} // namespace troupe::golden
