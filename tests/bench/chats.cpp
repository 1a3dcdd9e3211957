// Conversations side by side: what a turn costs in time and in the store, early and late, what an idle
// conversation costs in memory, and whether any two were mixed up.
//
//   bench_chats [--conversations N] [--turns N]

#include "actors/flow/dispatcher_messages.hpp"
#include "actors/memory/conversation.hpp"
#include "config/cast.hpp"
#include "tests/bench/support/fresh.hpp"
#include "tests/bench/support/load.hpp"

#include <caf/send.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

constexpr std::string_view topology = R"(
[troupe]
store = "chats.db"
[gateway]
enabled = false
[agents.desk]
class = "chat"
key = "conversation"
model = "fast"
system = "You are the help desk of a parcel service. Look things up before you answer."
depth_max = 100000
[models.fast]
kind = "scripted"
script = "fast.script.json"
concurrent = 1000
queue = 100000
)";

// What is promised.
constexpr double idle_max = 8.0 * 1024; ///< bytes in memory
constexpr double late_max = 1.1;        ///< linear storage
constexpr int compared_from = 500;

const std::string said = std::string(200, 'u');
const std::string answered = std::string(400, 'a');

class counted final : public invocation_observer {
public:
  explicit counted(bench::countdown& all) : all_(all) {}
  void on_accepted(const std::string&, bool) override {}
  void on_ended(const std::string& id, const outcome& how) override {
    if (!how.value)
      fmt::print(stderr, "{}: {}\n", id, to_string(how.value.error()));
    all_.one();
  }
  void on_refused(const error& why) override {
    fmt::print(stderr, "refused: {}\n", to_string(why));
    all_.one();
  }

private:
  bench::countdown& all_;
};

/// One turn of each of the conversations `first` to `end`, side by side.
void talk_at_once(config::cast& troupe, int first, int end, int t) {
  bench::countdown all(static_cast<std::size_t>(end - first));
  for (int c = first; c < end; ++c) {
    invoke_request r;
    r.agent = "desk";
    r.input = fmt::format(R"({{"conversation":"c-{}","message":"{}: turn {} {}"}})", c, c, t, said);
    r.observer = std::make_shared<counted>(all);
    caf::anon_send(troupe.dispatcher(), std::move(r));
  }
  if (!all.wait(600s))
    std::exit(1);
}

/// Turns `from` to `to` of conversations 0 to `n`, at most `at_once` at a time, each conversation's next
/// turn as soon as all have had theirs. What a burst leaves in the heap depends on how many talk at
/// once, and is no cost of those that are idle.
void talk(config::cast& troupe, int n, int at_once, int from, int to) {
  for (int t = from; t < to; ++t)
    for (int c = 0; c < n; c += at_once)
      talk_at_once(troupe, c, std::min(n, c + at_once), t);
}

std::unique_ptr<config::cast> play(const std::filesystem::path& folder) {
  auto read = config::parse_topology(topology, folder / "topology.toml",
                                     [](const std::string&) { return std::nullopt; });
  auto started = read ? config::cast::start(std::move(*read.value))
                      : result<std::unique_ptr<config::cast>>{error{errc::invalid_input}};
  if (!started) {
    fmt::print(stderr, "{}\n", to_string(started.error()));
    std::exit(1);
  }
  return std::move(*started);
}

struct figure {
  double turns_per_s;
  double rss_bytes; ///< when all are idle
  double store_bytes;
  double mixed_up;
};

/// One life of the process.
figure life(const std::filesystem::path& folder, int n, int at_once, int from, int to) {
  figure f{};
  {
    auto troupe = play(folder);
    talk(*troupe, n / 10, at_once, from, from + 1); // pools and tables of the libraries
    auto begin = std::chrono::steady_clock::now();
    talk(*troupe, n, at_once, from + 1, to);
    f.turns_per_s = n * (to - from - 1) / (bench::ms_since(begin) / 1000);
    ::usleep(500'000);
    ::malloc_trim(0); // what the burst of talking used is not part of waiting
    f.rss_bytes = static_cast<double>(bench::rss_bytes());
    for (int c = 0; c < n; ++c) {
      auto state = troupe->store().load_state("desk", fmt::format("c-{}", c));
      auto kept = from_json<conversation>(state.value().value_or("{}"));
      bool own = kept.has_value() && !kept->window.empty();
      if (own)
        for (const auto& t : kept->window)
          own = own && t.user.starts_with(fmt::format("{}: turn ", c)) && t.assistant == answered;
      f.mixed_up += own ? 0 : 1;
    }
  } // its end writes the WAL back
  f.store_bytes = static_cast<double>(std::filesystem::file_size(folder / "chats.db"));
  return f;
}

} // namespace

int main(int argc, char** argv) {
  int n = 1'000;
  int turns = 20;
  CLI::App app{"conversations side by side"};
  app.add_option("--conversations", n, "how many");
  app.add_option("--turns", turns, "of each");
  CLI11_PARSE(app, argc, argv);
  bench::scratch folder;
  std::ofstream{folder.path() / "fast.script.json"} << fmt::format(R"({{"otherwise":"{}"}})", answered);
  auto more = folder.path() / "twice";
  std::filesystem::create_directory(more);
  std::filesystem::copy(folder.path() / "fast.script.json", more);
  auto half = turns / 2;
  // Each life begins with one turn of a tenth of them.
  auto spoken = [n](int of) { return n * (of - 1) + n / 10; };
  auto first = bench::in_fresh_process([&] { return life(folder.path(), n, n, 0, half); });
  auto second = bench::in_fresh_process([&] { return life(folder.path(), n, n, half, turns); });
  // Caches and pools are a cost of the process: what a conversation costs shows where there are more.
  auto twice = bench::in_fresh_process([&] { return life(more, 2 * n, n, 0, half); });
  auto early = first.store_bytes / spoken(half);
  auto late = (second.store_bytes - first.store_bytes) / spoken(turns - half);
  auto idle = (twice.rss_bytes - first.rss_bytes) / n;
  auto mixed_up = first.mixed_up + second.mixed_up + twice.mixed_up;
  fmt::print("{{\"bench\":\"chats\",\"conversations\":{},\"turns\":{},\"turns_per_s_early\":{:.0f},"
             "\"turns_per_s_late\":{:.0f},\"store_bytes_per_turn_early\":{:.0f},"
             "\"store_bytes_per_turn_late\":{:.0f},\"rss_mib\":{:.1f},\"rss_mib_twice_as_many\":{:.1f},"
             "\"rss_bytes_per_idle_conversation\":{:.0f},\"mixed_up\":{:.0f}}}\n",
             n, turns, first.turns_per_s, second.turns_per_s, early, late,
             first.rss_bytes / 1048576.0, twice.rss_bytes / 1048576.0, idle, mixed_up);
  bool held = mixed_up == 0;
  if (n >= compared_from) // with less, the pages of the process are all that is seen
    held = held && idle <= idle_max && late <= early * late_max;
  if (!held)
    fmt::print(stderr, "not held: none mixed up, at most {} bytes for an idle conversation, a late turn "
                       "at most {} times an early one\n",
               idle_max, late_max);
  return held ? 0 : 1;
}
