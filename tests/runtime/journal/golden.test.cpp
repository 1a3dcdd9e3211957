// The meaning of a journal, frozen.
//
// Each file in golden/ was written by a real run. Here it is decoded, compared entry by entry with
// golden_expected.hpp, encoded to the same bytes, and replayed by the agent that wrote it.
// TROUPE_WRITE_GOLDEN=1 makes the files anew; see runtime/journal/README.md for when that is right.
#include "tests/runtime/journal/golden_cast.hpp"
#include "tests/runtime/journal/golden_expected.hpp"
#include "tests/runtime/journal/golden_file.hpp"

#include "runtime/core/checksum.hpp"
#include "runtime/journal/replay.hpp"
#include "runtime/journal/stored_journal.hpp"
#include "tests/kit/recorded.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

using namespace troupe;
using namespace troupe::golden;
using journal::entry;

namespace {

// Seed of the tag of every store on a stage: keys in a journal begin with the tag.
constexpr std::uint64_t tag_seed = 1;

std::string path_of(const scenario& s) {
  return std::string{test::paths::source_dir} + "/tests/runtime/journal/golden/" + s.name
         + ".journal";
}

std::string text_of(const scenario& s) {
  std::ifstream in{path_of(s), std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

journal_file played(const scenario& s) {
  kit::world w;
  s.play(w);
  store::memory_store reader{w.disk, tag_seed};
  return take(reader, s.no, s.about);
}

// All golden journals, made anew first where that was asked for.
std::vector<std::pair<scenario, journal_file>> all_journals() {
  static const bool write_first = std::getenv("TROUPE_WRITE_GOLDEN") != nullptr;
  static const auto all = [] {
    std::vector<std::pair<scenario, journal_file>> out;
    for (auto& s : scenarios()) {
      if (write_first)
        std::ofstream{path_of(s), std::ios::binary} << write(played(s));
      out.emplace_back(s, parse(text_of(s)));
    }
    return out;
  }();
  return all;
}

const journal_file& journal_named(const std::string& name) {
  static const auto all = all_journals();
  for (const auto& [s, f] : all)
    if (s.name == name)
      return f;
  throw std::logic_error{"no golden journal " + name};
}

std::vector<journal::row> rows_of(const journal_file& f) {
  std::vector<journal::row> out;
  for (const auto& r : f.rows)
    out.push_back(journal::decode_row(r.at, f.no, r.bytes).value());
  return out;
}

std::vector<entry> entries_of(const std::vector<journal::row>& rows) {
  std::vector<entry> out;
  for (const auto& r : rows)
    out.insert(out.end(), r.entries.begin(), r.entries.end());
  return out;
}

std::string encode(const journal::row& r, journal::invocation_no owner) {
  journal::row_writer w;
  for (const auto& e : r.entries)
    w.add(e);
  return w.take(owner, r.run, r.generation);
}

// The same journal as it stood a moment before its end.
std::vector<journal::row> before_end(const journal_file& f) {
  auto rows = rows_of(f);
  REQUIRE(std::holds_alternative<journal::ended>(rows.back().entries.back()));
  rows.back().entries.pop_back();
  if (rows.back().entries.empty())
    rows.pop_back();
  return rows;
}

// Puts rows on a fresh disk, as an invocation that is still open.
void load(kit::world& w, const journal_file& f, const std::vector<journal::row>& rows) {
  store::memory_store disk{w.disk, tag_seed};
  store::batch b{disk.owner(), {}};
  for (const auto& r : rows) {
    auto& u = b.units.emplace_back();
    u.at = r.at;
    u.invocation = f.no;
    u.row = encode(r, f.no);
    u.references = store::references_of(r.at, f.no, u.row);
  }
  store::record made;
  made.no = f.no;
  made.agent = f.agent;
  made.key = f.key;
  made.state = store::status::running;
  b.units.front().created = made;
  b.units.front().blobs = f.blobs;
  disk.commit(b).value();
}

// The cast, with services that nobody may call.
cast only_replay(std::vector<std::string>& called) {
  cast all;
  for (auto& s : all.services)
    s.answer = [&called](const call_request& r, std::uint32_t) {
      called.push_back(r.service);
      return kit::scripted_answer{};
    };
  return all;
}

error refusal(journal::lsn at, journal::invocation_no owner, const std::string& bytes) {
  auto row = journal::decode_row(at, owner, bytes);
  REQUIRE_FALSE(row);
  return row.error();
}

// The bytes with a checksum that fits them.
std::string sealed(std::string body, journal::invocation_no owner) {
  auto sum = checksum(body) ^ static_cast<std::uint32_t>(owner * 0x9E3779B97F4A7C15U >> 32U);
  for (unsigned shift = 0; shift < 32; shift += 8)
    body.push_back(static_cast<char>(sum >> shift));
  return body;
}

} // namespace

TEST_CASE("a golden journal decodes to what it is known to say", "[golden]") {
  auto expected = expected_rows();
  for (const auto& [s, f] : all_journals()) {
    INFO(s.name);
    auto rows = rows_of(f);
    const auto& known = expected.at(s.name);
    REQUIRE(rows.size() == known.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      INFO("row " << rows[i].at);
      CHECK(rows[i].at == known[i].at);
      CHECK(rows[i].run == known[i].run);
      CHECK(rows[i].generation == known[i].generation);
      REQUIRE(rows[i].entries.size() == known[i].entries.size());
      for (std::size_t k = 0; k < rows[i].entries.size(); ++k) {
        INFO("decoded  " << describe(rows[i].entries[k]) << "\nexpected "
                         << describe(known[i].entries[k]));
        CHECK((rows[i].entries[k] == known[i].entries[k]));
      }
    }
  }
}

TEST_CASE("a golden journal is encoded to the same bytes", "[golden]") {
  for (const auto& [s, f] : all_journals()) {
    INFO(s.name);
    auto rows = rows_of(f);
    for (std::size_t i = 0; i < rows.size(); ++i)
      CHECK(hex(encode(rows[i], f.no)) == hex(f.rows[i].bytes));
    CHECK(write(f) == text_of(s));
  }
}

TEST_CASE("every kind of entry and of effect stands in a golden journal", "[golden]") {
  std::set<std::size_t> kinds;
  std::set<journal::effect_kind> effects;
  for (const auto& [s, f] : all_journals())
    for (const auto& e : entries_of(rows_of(f))) {
      kinds.insert(e.index());
      if (const auto* c = std::get_if<journal::command>(&e))
        effects.insert(c->kind);
      if (const auto* l = std::get_if<journal::local>(&e))
        effects.insert(l->kind);
    }
  CHECK(kinds.size() == std::variant_size_v<entry>);
  CHECK(effects.size() == 12); // `race` is reserved: nothing writes it
}

TEST_CASE("an agent that replays its golden journal asks for the same and ends the same",
          "[golden]") {
  for (const auto& [s, f] : all_journals()) {
    INFO(s.name);
    auto whole = entries_of(rows_of(f));
    auto end = std::get<journal::ended>(whole.back());
    kit::world w;
    load(w, f, before_end(f));
    w.elapsed = end.when - utc_time{std::chrono::seconds{1'700'000'000}}; // a stage's first day
    std::vector<std::string> called;
    kit::stage stage{w, only_replay(called)};
    store::memory_store tagged{std::make_shared<store::memory_disk>(), tag_seed};
    auto id = store::invocation_id(tagged.tag(), f.no);
    auto ends = static_cast<int>(std::count_if(whole.begin(), whole.end(), [](const entry& e) {
      return std::holds_alternative<journal::ended>(e);
    }));

    stage.run_until([&] { return has_ended(stage, id, ends); });

    CHECK(called.empty());
    auto again = stage.journal_of(id);
    REQUIRE(again.size() == whole.size());
    for (std::size_t i = 0; i < whole.size(); ++i) {
      INFO("replayed " << describe(again[i]) << "\nrecorded " << describe(whole[i]));
      CHECK((again[i] == whole[i]));
    }
  }
}

TEST_CASE("the kit walks a golden journal from end to end without a store or a service",
          "[golden]") {
  for (const auto& [s, f] : all_journals()) {
    INFO(s.name);
    kit::world w;
    load(w, f, rows_of(f));
    store::memory_store disk{w.disk, tag_seed};
    auto whole = load_exported(disk, f.no, f.agent).value();
    auto file = journal::write_export(whole).value();

    auto report = kit::replay(kit::recorded::parse(file, s.name).value());

    INFO(report);
    CHECK(report.same());
    CHECK(report.steps == report.steps_recorded);
    CHECK(report.answer.has_value());
  }
}

TEST_CASE("the cursor serves a golden journal's steps and nothing else", "[golden]") {
  journal::replay retried{rows_of(journal_named("retry"))};
  CHECK(retried.run() == 1);
  CHECK(retried.end()->ok);
  CHECK(retried.peek_run() == 0); // the command that the retry kept
  CHECK(retried.reissued({"", 0})->key == "baaaaa-1/1/0/-/0");

  journal::replay continued{rows_of(journal_named("generation"))};
  CHECK(continued.generation() == 1);
  CHECK(continued.input() == R"({"id":"T-1","round":2})");
  CHECK(continued.size() == 2); // the first generation's steps are gone
  CHECK(continued.take_signals().empty());

  auto unread = before_end(journal_named("signal"));
  unread.pop_back(); // the row with the completion
  journal::replay waiting{unread};
  auto signals = waiting.take_signals();
  REQUIRE(signals.size() == 2);
  CHECK(signals[0].name == "greet");
  CHECK(signals[1].name == "approve");
  CHECK(signals[1].id == unread.back().at);
  CHECK(std::holds_alternative<journal::command>(waiting.peek()));
  waiting.advance();
  CHECK(waiting.at_end());
}

TEST_CASE("another agent's code over a golden journal is paused, with both sides shown",
          "[golden]") {
  auto f = journal_named("sequence");
  f.agent = "golden_race";
  kit::world w;
  load(w, f, before_end(f));
  std::vector<std::string> called;
  kit::stage stage{w, only_replay(called)};
  stage.run(1min);

  CHECK(called.empty());
  store::memory_store reader{w.disk, tag_seed};
  CHECK(reader.find(f.no).value()->state == store::status::paused);
  auto last = entries_of(rows_of(take(reader, f.no, {}))).back();
  const auto& why = std::get<journal::note>(last).detail;
  auto text = why.stored ? reader.load_blob(why.hash).value() : why.text;
  CHECK(text == R"("nondeterministic: the code asks for tool \"charge\" at 0.0/0, )"
                R"(the journal holds tool \"lookup\" at -/0")");
}

TEST_CASE("a damaged row is refused, and named", "[golden]") {
  const auto& f = journal_named("race");
  for (const auto& r : f.rows) {
    auto name = fmt::format("journal row {} of invocation {}: ", r.at, f.no);
    for (std::size_t n = 0; n < r.bytes.size(); ++n) {
      auto why = refusal(r.at, f.no, r.bytes.substr(0, n));
      CHECK(why.code == errc::corrupted);
      CHECK(why.message == name + (n < 7 ? "too short" : "checksum does not match"));
    }
    for (std::size_t bit = 0; bit < 8 * r.bytes.size(); ++bit) {
      auto flipped = r.bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      CHECK(refusal(r.at, f.no, flipped).message == name + "checksum does not match");
    }
    CHECK(refusal(r.at, f.no + 1, r.bytes).message
          == fmt::format("journal row {} of invocation {}: checksum does not match", r.at,
                         f.no + 1));
  }
}

TEST_CASE("a row of another format is refused, even where its checksum fits", "[golden]") {
  const auto& f = journal_named("sequence");
  const auto& r = f.rows.back();
  auto body = r.bytes.substr(0, r.bytes.size() - 4);
  auto name = fmt::format("journal row {} of invocation {}: ", r.at, f.no);
  REQUIRE(sealed(body, f.no) == r.bytes);

  auto newer = body;
  newer[0] = 2;
  CHECK(refusal(r.at, f.no, sealed(newer, f.no)).message
        == name + "format version 2 is not known here");

  auto cut = body.substr(0, body.size() - 3);
  CHECK(refusal(r.at, f.no, sealed(cut, f.no)).message == name + "ends in the middle of an entry");

  auto strange = body;
  strange[3] = 15;
  CHECK(refusal(r.at, f.no, sealed(strange, f.no)).message == name + "unknown kind of entry");
}

TEST_CASE("a damaged row stops its invocation and no other", "[golden]") {
  auto f = journal_named("sequence");
  auto rows = before_end(f);
  kit::world w;
  load(w, f, rows);
  {
    store::memory_store disk{w.disk, tag_seed};
    store::batch b{disk.owner(), {}};
    auto& u = b.units.emplace_back();
    u.at = rows.back().at + 1;
    u.invocation = f.no;
    u.row = encode(rows.back(), f.no);
    u.row.back() = static_cast<char>(u.row.back() ^ 1);
    disk.commit(b).value();
  }
  kit::stage stage{w, cast{}};
  auto other = stage.invoke("golden_sequence", one_job);
  stage.run(1min);

  CHECK(other->value.value() == R"("did tool:lookup, did tool:charge")");
  store::memory_store reader{w.disk, tag_seed};
  CHECK(reader.find(f.no).value()->state == store::status::paused);
  auto all = reader.load(f.no).value();
  auto last = journal::decode_row(all.back().at, f.no, all.back().bytes).value();
  const auto& why = std::get<journal::note>(last.entries.back()).detail;
  auto text = why.stored ? reader.load_blob(why.hash).value() : why.text;
  CHECK(text == fmt::format(R"("corrupted: journal row {} of invocation {}: checksum does not )"
                            R"(match")",
                            rows.back().at + 1, f.no));
}
