// The ticket desk on a stage: its own topology, agent, search and scripted model, the real actors
// of its tools; only the two services and the disk are doubles.

#include "actors/tool/text_template.hpp"
#include "runtime/core/json.hpp"
#include "tests/kit/counts.hpp"
#include "tests/kit/explore.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

const std::string ticketing = "tool:ticketing";
const std::string chat = "tool:chat";

fs::path folder() {
  return fs::path{test::paths::source_dir} / "examples/ticket_desk";
}

struct ticket_id {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(ticket_id, (), (id))

struct posting {
  std::string channel;
  std::string text;
  std::string ref;
};
BOOST_DESCRIBE_STRUCT(posting, (), (channel, text, ref))

struct filed {
  std::string id;
  std::string queue;
  std::string priority;
  std::string summary;
  std::string reply;
};
BOOST_DESCRIBE_STRUCT(filed, (), (id, queue, priority, summary, reply))

/// What goes wrong at the services, by count: as `desk_services` does it.
struct service_faults {
  std::uint32_t error_before_effect_every = 0;
  std::uint32_t lost_after_effect_every = 0;

  bool errs(std::uint32_t nth) const {
    return error_before_effect_every != 0 && nth % error_before_effect_every == 0;
  }
  bool loses(std::uint32_t nth) const {
    return lost_after_effect_every != 0 && nth % lost_after_effect_every == 0;
  }
};

/// Does `effect` unless the fault of this POST comes before it.
kit::http_reply serve(kit::world& w, const service_faults& faults, const std::string& service,
                      const std::function<std::string()>& effect) {
  kit::http_reply out;
  out.headers.add("Content-Type", "application/json");
  out.latency = 5ms;
  auto nth = ++w.asked[service];
  if (faults.errs(nth)) {
    out.status = 503;
    return out;
  }
  out.body = effect();
  out.lost = faults.loses(nth);
  return out;
}

/// The same key is the same ticket.
kit::http_reply file_ticket(kit::world& w, const service_faults& faults,
                            const net::http_request& r) {
  return serve(w, faults, ticketing, [&] {
    auto key = std::string{r.headers.value_or("Idempotency-Key", "")};
    auto in = from_json<filed>(r.body).value();
    auto answer = fmt::format(R"({{"ticket":"DESK-{}","queue":"{}"}})", in.id, in.queue);
    if (w.count(ticketing, key) == 0)
      w.effect(ticketing, key, r.body, answer);
    return answer;
  });
}

/// Each POST is one more message.
kit::http_reply post_message(kit::world& w, const service_faults& faults,
                             const net::http_request& r) {
  return serve(w, faults, chat, [&] {
    auto in = from_json<posting>(r.body).value();
    auto answer = fmt::format(R"({{"id":"MSG-1","ref":"{}"}})", in.ref);
    w.effect(chat, in.ref, r.body, answer);
    return answer;
  });
}

kit::http_reply find_message(kit::world& w, const net::http_request& r) {
  kit::http_reply out;
  out.headers.add("Content-Type", "application/json");
  std::string found;
  for (const auto& [ref, times] : w.effects[chat])
    if (r.url.ends_with("ref=" + percent_encoded(ref)))
      found = w.answers[chat][ref];
  out.body = fmt::format(R"({{"messages":[{}]}})", found);
  return out;
}

kit::stage_options desk(service_faults faults = {}) {
  setenv("DESK_KNOWLEDGE", (folder() / "knowledge").c_str(), 1);
  static const auto played = kit::play_file(
    folder() / "topology.toml",
    {{"TICKETING_URL", "http://ticketing"},
     {"CHAT_URL", "http://chat"},
     {"DESK_PLUGIN", (fs::path{test::paths::build_dir} / "lib/libdesk.so").string()}});
  auto o = played;
  o.http
    .on("POST", "http://ticketing/tickets",
        [faults](kit::world& w, const net::http_request& r) { return file_ticket(w, faults, r); })
    .on("POST", "http://chat/messages",
        [faults](kit::world& w, const net::http_request& r) { return post_message(w, faults, r); })
    .on("GET", "http://chat/messages?", find_message);
  return o;
}

std::vector<std::string> ticket_lines(std::size_t most) {
  std::ifstream in{folder() / "tickets.jsonl"};
  std::vector<std::string> lines;
  for (std::string line; lines.size() < most && std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

std::string id_of(const std::string& line) {
  return from_json<ticket_id>(line).value().id;
}

/// Asks for all tickets, each under its id, as `troupe invoke --key-field id` does.
std::vector<std::shared_ptr<kit::answer>> ask_all(kit::stage& aut,
                                                  const std::vector<std::string>& lines) {
  std::vector<std::shared_ptr<kit::answer>> all;
  for (const auto& line : lines)
    all.push_back(aut.invoke("triage", line, id_of(line)));
  return all;
}

bool all_ended(const std::vector<std::shared_ptr<kit::answer>>& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
}

std::string values_of(const std::vector<std::shared_ptr<kit::answer>>& all) {
  std::string out;
  for (const auto& a : all)
    out += (a->value ? *a->value : to_string(a->value.error())) + "\n";
  return out;
}

/// Each ticket filed once, each message posted once.
void require_counts(const kit::world& w, std::size_t tickets) {
  auto once = [&](const std::string& service) {
    auto found = w.effects.find(service);
    auto keys = found == w.effects.end() ? std::map<std::string, std::uint32_t>{} : found->second;
    kit::require(keys.size() == tickets,
                 fmt::format("{}: {} effects for {} tickets", service, keys.size(), tickets));
    for (const auto& [key, times] : keys)
      kit::require(times == 1, fmt::format("{}: {} was done {} times", service, key, times));
  };
  once(ticketing);
  once(chat);
}

/// Two lives of half an hour, with crashes and faulty services; then calm, and all must come to its end.
void stormy_day(kit::world& w) {
  static const auto lines = ticket_lines(6);
  constexpr service_faults storm{.error_before_effect_every = 7, .lost_after_effect_every = 5};
  std::mt19937_64 chance{w.order->options().seed};
  for (int life = 0; life < 2; ++life) {
    w.crash_at = {w.boundaries + chance() % 60};
    kit::stage aut{w, desk(storm)};
    for (const auto& line : lines) {
      aut.invoke("triage", line, id_of(line));
      aut.advance(std::chrono::milliseconds{chance() % 600'000}); // until somebody else writes
    }
  }
  w.calm();
  kit::stage aut{w, desk()};
  auto all = ask_all(aut, lines);
  aut.settle(2min);
  kit::require(all_ended(all), "settled, and a client has no answer");
  for (const auto& a : all)
    kit::require(a->state == store::status::completed, "a ticket failed: " + values_of(all));
  require_counts(w, lines.size());
}

} // namespace

TEST_CASE("the desk files and posts all its tickets on a stage", "[desk]") {
  kit::world w;
  kit::stage aut{w, desk()};
  auto lines = ticket_lines(47);

  auto all = ask_all(aut, lines);
  aut.settle(10min);

  REQUIRE(all_ended(all));
  require_counts(w, 47);
}

TEST_CASE("services that fail and lose their answers cost the desk nothing but time", "[desk]") {
  kit::world w;
  kit::stage aut{w, desk({.error_before_effect_every = 7, .lost_after_effect_every = 5})};
  auto lines = ticket_lines(47);

  auto all = ask_all(aut, lines);
  aut.settle(10min);

  REQUIRE(all_ended(all));
  require_counts(w, 47);
}

TEST_CASE("the desk sweeps clean, crashed twice at every boundary", "[desk][sweep]") {
  auto lines = ticket_lines(2);
  kit::sweep_options how;
  how.twice = true;

  auto report = kit::for_each_crash_point(
    [&](kit::world& w) {
      for (int life = 0; life < 10; ++life) {
        kit::stage aut{w, desk()};
        auto all = ask_all(aut, lines);
        aut.run_until([&] { return all_ended(all); }, 10min);
        if (!w.crashed && all_ended(all))
          return values_of(all);
      }
      throw kit::failure{"no end within ten lives"};
    },
    how);

  CHECK(report.crash_points > 20);
  for (auto n : report.kinds)
    CHECK(n > 0);
}

TEST_CASE("a thousand days at the desk, each with another storm, end well", "[desk][seeds]") {
  auto report = kit::for_each_seed(1'000, stormy_day);

  auto ratio = static_cast<double>(report.virtual_time.count())
               / static_cast<double>(std::max<std::int64_t>(1, report.real_time.count()));
  auto seconds = std::chrono::duration<double>(report.real_time).count();
  WARN(fmt::format("{} seeds in {:.1f} s ({:.0f} a minute), {} turns, virtual to real {:.0f} : 1",
                   report.seeds, seconds, 60 * static_cast<double>(report.seeds) / seconds,
                   report.turns, ratio));
}
