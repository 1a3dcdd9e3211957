#pragma once
// What the golden journals say, written down by hand: entries, addresses, times, hashes.

#include "runtime/core/digest.hpp"
#include "runtime/journal/entry.hpp"

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::golden {

using journal::address;
using journal::effect_kind;
using journal::entry;
using journal::row;

/// So many milliseconds after a stage began.
inline utc_time at(std::int64_t ms) {
  return utc_time{std::chrono::seconds{1'700'000'000}} + std::chrono::milliseconds{ms};
}

inline journal::payload text(std::string s) {
  journal::payload p;
  p.text = std::move(s);
  return p;
}

inline journal::payload stored(const digest& hash) {
  journal::payload p;
  p.stored = true;
  p.hash = hash;
  return p;
}

inline address root(std::uint32_t seq) {
  return {"", seq};
}

/// A row that an invocation has written.
inline row turn(journal::lsn at, std::vector<entry> entries, std::uint32_t run = 0,
                std::uint32_t generation = 0) {
  return {at, run, generation, std::move(entries)};
}

/// A row that the dispatcher has written.
inline row outside(journal::lsn at, entry e) {
  return {at, 0xFFFFFFFF, 0xFFFFFFFF, {std::move(e)}};
}

inline row accepted(std::string agent, journal::lsn lsn = 1, utc_time when = at(0)) {
  journal::started s;
  s.agent = std::move(agent);
  s.version = "1";
  s.input = text(R"({"id":"T-1","round":1})");
  s.created = when;
  return outside(lsn, std::move(s));
}

inline journal::command issued(address where, effect_kind kind, effect_class cls, std::string name,
                               utc_time sent) {
  journal::command c;
  c.at = std::move(where);
  c.kind = kind;
  c.cls = cls;
  c.name = std::move(name);
  c.sent = sent;
  return c;
}

/// A command whose arguments are compared and kept.
inline journal::command with(journal::command c, const std::string& arguments) {
  c.arguments = short_hash(arguments);
  c.detail = text(arguments);
  return c;
}

const std::string the_id = R"({"id":"T-1"})";

inline journal::command lookup(address where, utc_time sent) {
  return with(issued(std::move(where), effect_kind::tool, effect_class::read, "lookup", sent),
              the_id);
}

inline journal::command charge(address where, utc_time sent) {
  return with(issued(std::move(where), effect_kind::tool, effect_class::idempotent, "charge", sent),
              the_id);
}

inline journal::completion got(address where, std::string value, utc_time when,
                               std::uint64_t signal = 0) {
  return {std::move(where), true, text(std::move(value)), error{errc::none}, when, signal};
}

inline journal::completion failed(address where, error why, utc_time when) {
  return {std::move(where), false, {}, std::move(why), when, 0};
}

inline journal::ended over(std::string value, utc_time when) {
  return {true, text(std::move(value)), error{errc::none}, when};
}

inline journal::ended failed(error why, utc_time when) {
  return {false, {}, std::move(why), when};
}

const std::string found = R"("did tool:lookup")";
const std::string charged = R"("did tool:charge")";
const std::string both = R"("did tool:lookup, did tool:charge")";

inline std::vector<row> sequence() {
  return {
    accepted("golden_sequence"),
    turn(2, {lookup(root(0), at(0))}),
    turn(3, {got(root(0), found, at(5)), charge(root(1), at(5))}),
    turn(4, {got(root(1), charged, at(15)), over(both, at(15))}),
  };
}

inline std::vector<row> race() {
  address first{"0.0", 0};
  address second{"0.1", 0};
  return {
    accepted("golden_race"),
    turn(2, {charge(first, at(0)), lookup(second, at(0))}),
    turn(3, {got(second, found, at(5)),
             journal::note{"may_have_happened", text(R"("baaaaa-1/0/0/0.0/0")"), at(5)},
             issued(root(1), effect_kind::sleep, effect_class::pure, "", at(1005))}),
    turn(4, {journal::note{"late_result", text(charged), at(500)}}),
    turn(5, {got(root(1), "null", at(1005)), over(R"("1: did tool:lookup")", at(1005))}),
  };
}

inline std::vector<row> keyed() {
  // Rows 1 to 3 are those of the first.
  return {
    accepted("golden_keyed", 4, at(10)),
    turn(5, {journal::state_loaded{text(R"({"jobs":1})")}, charge(root(0), at(10))}),
    turn(6, {got(root(0), charged, at(20)), over("2", at(20))}),
  };
}

inline std::vector<row> yield() {
  auto wait = issued(root(0), effect_kind::signal, effect_class::pure, "go", at(0));
  return {
    accepted("golden_yield"),
    turn(3, {journal::state_loaded{}, wait}),
    turn(4, {journal::state_loaded{text(R"({"jobs":1})")}}),
    outside(6, journal::signalled{0, "go", text(R"("yes")"), at(2'000)}),
    // The other one has been here meanwhile.
    turn(8, {journal::state_loaded{text(R"({"jobs":2})")}, got(root(0), R"("yes")", at(4'000), 6),
             over("2", at(4'000))}),
  };
}

inline std::vector<row> unknown() {
  const std::string seen = R"("seen in the chat")";
  auto post = issued(root(0), effect_kind::tool, effect_class::at_most_once, "post", at(0));
  return {
    accepted("golden_unknown"),
    turn(2, {with(std::move(post), R"({"text":"T-1"})")}),
    turn(3, {journal::parked{root(0),
                             "its outcome is unknown, and reconcile says: the log of the chat was "
                             "rotated",
                             at(0)}}),
    outside(4, journal::resolved{root(0), journal::verdict::done, text(seen)}),
    turn(5, {got(root(0), seen, at(0)), over(seen, at(0))}),
  };
}

inline std::vector<row> resend() {
  auto post = with(issued(root(0), effect_kind::tool, effect_class::at_most_once, "post", at(0)),
                   R"({"text":"T-1"})");
  auto again = post;
  again.key = "baaaaa-1/0/0/-/0";
  again.sent = at(30'000); // when the first one could not be in flight any more
  again.detail = {};
  const std::string posted = R"("did tool:post")";
  return {
    accepted("golden_unknown"),
    turn(2, {post}),
    turn(3, {again}),
    turn(4, {got(root(0), posted, at(30'010)), over(posted, at(30'010))}),
  };
}

inline std::vector<row> rollback() {
  return {
    accepted("golden_sequence"),
    turn(2, {lookup(root(0), at(0))}),
    // Row 3, with the completion of 5 ms, was lost. The read was made again 100 ms later.
    turn(4, {got(root(0), found, at(110)), charge(root(1), at(110))}),
    turn(5, {got(root(1), charged, at(120)), over(both, at(120))}),
  };
}

inline std::vector<row> generation() {
  const std::string yes = R"("yes")";
  journal::local loud{root(0), effect_kind::patched, text("loud")};
  journal::generation_began second{text(R"({"id":"T-1","round":2})"), {{"loud", true}}};
  auto wait = issued(root(0), effect_kind::signal, effect_class::pure, "word", at(5));
  return {
    accepted("golden_generation"),
    turn(2, {loud, lookup(root(0), at(0))}),
    outside(3, journal::signalled{0, "word", text(yes), at(0)}),
    turn(4, {got(root(0), found, at(5))}),
    turn(5, {second, journal::signalled{3, "word", text(yes), at(5)}}, 0, 1),
    turn(6, {wait, got(root(0), yes, at(5), 3), over(R"("yes!")", at(5))}, 0, 1),
  };
}

inline std::vector<row> retry() {
  error declined{errc::failed, "card declined"};
  auto again = charge(root(0), at(6));
  again.key = "baaaaa-1/1/0/-/0";
  again.detail = {};
  return {
    accepted("golden_retry"),
    turn(2, {charge(root(0), at(0))}),
    turn(3, {failed(root(0), declined, at(1)), lookup(root(1), at(1))}),
    turn(4, {got(root(1), found, at(6)), failed(declined, at(6))}),
    turn(5, {journal::run_began{1}}, 1),
    // The charge goes out again, under a new key; the look-up does not.
    turn(6, {again}, 1),
    turn(7,
         {got(root(0), charged, at(7)), lookup(root(1), at(7)), got(root(1), found, at(7)),
          over(R"("did tool:charge, did tool:lookup")", at(7))},
         1),
  };
}

inline std::vector<row> afresh() {
  error declined{errc::failed, "card declined"};
  return {
    accepted("golden_keyed"),
    turn(2, {journal::state_loaded{}, charge(root(0), at(0))}),
    turn(3, {failed(root(0), declined, at(1)), failed(declined, at(1))}),
    turn(4, {journal::run_began{0xFFFFFFFF}}, 1),
    turn(5, {journal::state_loaded{}, charge(root(0), at(1))}, 1),
    turn(6, {got(root(0), charged, at(2)), over("1", at(2))}, 1),
  };
}

inline std::vector<row> signal() {
  const std::string yes = R"("yes")";
  return {
    accepted("golden_signal"),
    turn(2, {issued(root(0), effect_kind::signal, effect_class::pure, "approve", at(0))}),
    outside(3, journal::signalled{0, "greet", text(yes), at(0)}),
    // 4 went to the unit that marks it as suspended; it has no row.
    outside(5, journal::signalled{0, "approve", text(yes), at(300'000)}),
    turn(6, {got(root(0), yes, at(300'000), 5), over(R"("T-1: yes")", at(300'000))}),
  };
}

inline digest node(const digest& before, const std::string& item) {
  auto content = sha256(item);
  std::string bytes{before.bytes.begin(), before.bytes.end()};
  bytes.append(content.bytes.begin(), content.bytes.end());
  return sha256(bytes);
}

inline std::vector<row> model() {
  const std::string system = R"({"role":"system","content":"Be brief."})";
  const std::string why = R"({"role":"user","content":"Why is T-1 late?"})";
  const std::string part = R"({"role":"assistant","content":"It waits for a part."})";
  const std::string word = R"({"role":"user","content":"In one word?"})";
  const std::string long_answer
    = R"({"text":"It waits for a part.","input_tokens":20,"output_tokens":6})";
  const std::string short_answer = R"({"text":"Parts.","input_tokens":20,"output_tokens":6})";
  auto first_turn = node(node({}, system), why);
  auto second_turn = node(node(first_turn, part), word);
  auto first = issued(root(0), effect_kind::model, effect_class::read, "fast", at(0));
  first.arguments = short_hash(system + why);
  first.detail = stored(first_turn);
  auto second = issued(root(1), effect_kind::model, effect_class::read, "fast", at(20));
  second.arguments = short_hash(system + why + part + word);
  second.detail = stored(second_turn);
  auto answer = got(root(0), {}, at(20));
  answer.value = stored(sha256(long_answer));
  return {
    accepted("golden_model"),
    turn(2, {first}),
    turn(3, {answer, second}),
    turn(4, {got(root(1), short_answer, at(40)), over(R"("Parts.")", at(40))}),
  };
}

inline std::vector<row> locals() {
  const std::string name = R"("22eb9250-2318-4a4e-b382-d1e77ae6459a")";
  const std::string end = R"("2023-11-14T22:13:20.000000Z 2469588189546311528 )"
                          R"(22eb9250-2318-4a4e-b382-d1e77ae6459a 2")";
  journal::ended over_64_bytes{true, stored(sha256(end)), error{errc::none}, at(10)};
  return {
    accepted("golden_locals"),
    turn(2, {journal::local{root(0), effect_kind::now, text("1700000000000000")},
             journal::local{root(1), effect_kind::random, text("2469588189546311528")},
             journal::local{root(2), effect_kind::uuid, text(name)},
             journal::local{root(3), effect_kind::emit, text(name)},
             issued(root(4), effect_kind::run, effect_class::idempotent, "add", at(0))}),
    turn(3, {got(root(4), "2", at(0)),
             issued(root(5), effect_kind::sleep, effect_class::pure, "", at(10))}),
    turn(4, {got(root(5), "null", at(10)), over_64_bytes}),
  };
}

inline std::vector<row> cancel() {
  error why{errc::cancelled, "requested", certainty::unknown};
  return {
    accepted("golden_cancel"),
    turn(2, {charge(root(0), at(0))}),
    outside(3, journal::cancel_asked{journal::cancel_reason::requested, at(0)}),
    turn(4, {journal::cancel_delivered{},
             journal::note{"may_have_happened", text(R"("baaaaa-1/0/0/-/0")"), at(0)},
             failed(root(0), why, at(0)), lookup(root(1), at(0))}),
    turn(5, {got(root(1), found, at(5)), failed(why, at(5))}),
  };
}

inline std::vector<row> death() {
  return {
    accepted("golden_death"),
    turn(2, {lookup(root(0), at(0))}),
    turn(3, {got(root(0), found, at(5)), journal::died{root(0), "a bug", at(5)}}),
    turn(4, {charge(root(1), at(205))}),
    turn(5, {got(root(1), charged, at(215)), over(charged, at(215))}),
  };
}

inline std::vector<row> children() {
  const std::string child = R"({"id":"T-1-child","round":1})";
  return {
    accepted("golden_parent"),
    turn(2, {with(issued(root(0), effect_kind::send, effect_class::idempotent, "golden_sequence",
                         at(0)),
                  child)}),
    turn(5, {got(root(0), R"("baaaaa-2")", at(0)),
             with(issued(root(1), effect_kind::invoke, effect_class::idempotent,
                         "golden_sequence", at(0)),
                  child)}),
    turn(12, {got(root(1), both, at(15)), over(both, at(15))}),
  };
}

inline std::vector<row> undone_saga() {
  auto shared = charge(root(1), at(20));
  shared.key = "sent";
  auto back = with(issued(root(2), effect_kind::tool, effect_class::idempotent, "charge", at(20)),
                   R"({"id":"back"})");
  error why{errc::failed, "out of stock"};
  // Rows before are those of the one that sent.
  return {
    accepted("golden_saga", 5, at(10)),
    turn(6, {charge(root(0), at(10))}),
    turn(7, {got(root(0), charged, at(20)), shared}),
    turn(8, {journal::answered_by{root(1), 1, "0/-/0"}, got(root(1), charged, at(20)), back}),
    turn(9, {got(root(2), charged, at(30)), journal::compensated{root(0), root(2), at(30)},
             failed(why, at(30))}),
  };
}

/// By the name of the golden file.
inline std::map<std::string, std::vector<row>> expected_rows() {
  return {
    {"sequence", sequence()},
    {"race", race()},
    {"keyed", keyed()},
    {"yield", yield()},
    {"unknown", unknown()},
    {"resend", resend()},
    {"rollback", rollback()},
    {"generation", generation()},
    {"retry", retry()},
    {"afresh", afresh()},
    {"signal", signal()},
    {"model", model()},
    {"locals", locals()},
    {"cancel", cancel()},
    {"death", death()},
    {"saga", undone_saga()},
    {"children", children()},
  };
}

} // namespace troupe::golden
