#include "tests/kit/rehearsal.hpp"

#include "tests/kit/client.hpp"
#include "tests/kit/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>

namespace troupe::kit {
namespace {

using std::chrono::milliseconds;

/// Rounds in a life with faults: clients act, some time passes.
constexpr int rounds_max = 12;
/// Rounds after the faults in which services still are as they are, and then those in which they
/// are polite: enough for `bound`, and an end where time stands still.
constexpr int rude_rounds = 6;
constexpr int calm_rounds_max = 60;
constexpr milliseconds calm_round_max{600'000};
/// More deaths of tools in one life than this would make their supervisor give up.
constexpr int tool_deaths_max = 4;
/// Most time between two rounds; one in ten is long.
constexpr std::uint64_t round_max = 4'000;
constexpr std::uint64_t long_round_max = 7'200'000;
/// Two processes go on side by side in steps of this length.
constexpr milliseconds side_by_side{50};
/// Once the faults are over it takes so long until what they have left has been taken up.
constexpr std::chrono::seconds settling{10};

constexpr manners polite{0, 0, 0, 0};

class rehearsal {
public:
  rehearsal(world& w, const production& p, std::uint64_t seed, const faults& f)
    : world_(w), play_(p), faults_(f), seed_(seed), chance_(seed), far_(w, seed ^ 0xFA2U) {
    for (const auto& part : p.parts)
      clients_.emplace_back(part);
    far_.on_request = [this](stage& on, const call_request& r) {
      if (ungated_.empty() && !is_commanded(on.log().store(), r))
        ungated_ = fmt::format("{} was called with {} before the command was durable", r.service,
                               r.body);
    };
    for (const auto& t : p.tools)
      punctual_.tools.push_back(t.name);
    for (const auto& a : p.options.agents) {
      prompt_ = prompt_ && a.concurrency == 0;
      if (a.yields)
        yielding_.push_back(a.name);
    }
  }

  void play() {
    for (std::uint32_t n = 0; n < faults_.lives && !all_done(); ++n)
      troubled_life(n);
    calm_life();
    far_.settle_all();
    check_effects(far_);
    check_parts();
    told_the_same();
    all_forgotten();
  }

private:
  // -- lives --
  void troubled_life(std::uint32_t n) {
    end_lives();
    world_.elapsed += milliseconds{draw(static_cast<std::uint64_t>(faults_.down_max.count()))};
    if (faults_.crashes)
      world_.crash_at = {world_.boundaries + draw(faults_.crash_within)};
    far_.how = faults_.rude_services ? manners{} : polite;
    begin_life(n * 2);
    for (int round = 0; round < rounds_max && !world_.crashed && !all_done(); ++round) {
      world_.fail_commits = percent(faults_.failing_commits);
      disturbed_ = disturbed_ || world_.fail_commits;
      kill_tool(20);
      if (faults_.zombies && lives_.size() == 1 && percent(25))
        overtake(n);
      for (auto& l : lives_)
        act(l->on());
      run(milliseconds{draw(percent(10) ? long_round_max : round_max)});
      world_.fail_commits = false;
      run(milliseconds{draw(300)});
    }
  }

  // A new owner begins; the one before goes on and does not know it.
  void overtake(std::uint32_t n) {
    auto before = world_.elapsed;
    world_.elapsed += std::chrono::duration_cast<std::chrono::microseconds>(
      lives_.front()->on().now() - begun_);
    begin_life(n * 2 + 1);
    world_.elapsed = before;
  }

  // The process, its disk and its clients work; at last the services do too. Whatever was begun must
  // end, with or without a restart.
  void calm_life() {
    world_.crash_at.clear();
    if (world_.crashed || lives_.size() != 1 || percent(50)) {
      end_lives();
      begin_life(9'001);
    }
    auto& on = lives_.front()->on();
    punctual_.since = on.now() + settling;
    run(settling);
    for (int i = 0; i < rude_rounds && !all_done(); ++i) {
      kill_tool(60);
      act(on);
      run(milliseconds{draw(2 * round_max)});
    }
    far_.how = polite;
    auto until = on.now() + play_.bound;
    milliseconds step{200};
    auto over = [&] { return on.now() >= until || (all_done() && nothing_open(on)); };
    for (int i = 0; i < calm_rounds_max && !over(); ++i) {
      act(on, true);
      resolve_parked(on, far_);
      run(step);
      step = std::min(step * 2, calm_round_max);
    }
    check_events(); // what has been paused is not merely late
    if (!all_done())
      throw violation{"an end", "after the faults: " + standings()};
    check_store(on.log().store(), yielding_, true);
    check_counts(on);
    check_times(on);
    end_lives();
  }

  // After a restart everybody is told the same.
  void told_the_same() {
    begin_life(9'002);
    auto& on = lives_.front()->on();
    for (int i = 0; i < 20; ++i) {
      act(on);
      run(milliseconds{100});
    }
    check_store(on.log().store(), yielding_, true);
    end_lives();
  }

  // In the end nothing is kept.
  void all_forgotten() {
    clients_.clear(); // they would be strangers
    world_.elapsed += play_.options.retention + std::chrono::hours{1};
    begin_life(9'003);
    run(std::chrono::minutes{1});
    if (world_.disk->rows() != 0 || world_.disk->blobs() != 0)
      throw violation{"retention", fmt::format("{} rows and {} blobs are left of nothing",
                                               world_.disk->rows(), world_.disk->blobs())};
    end_lives();
  }

  void begin_life(std::uint64_t n) {
    disturbed_ = !lives_.empty();
    deaths_ = 0;
    lives_.push_back(std::make_unique<process>(world_, far_, play_, seed_ * 10'007 + n));
    begun_ = lives_.back()->on().now();
  }

  void end_lives() {
    check_events();
    for (auto& c : clients_)
      c.forget_stage();
    lives_.clear();
  }

  // -- what happens in them --
  void act(stage& on, bool eager = false) {
    for (auto& c : clients_)
      if (eager || percent(70))
        c.act(on, chance_, eager);
  }

  void kill_tool(std::uint32_t chance) {
    if (faults_.tool_deaths && percent(chance) && deaths_++ < tool_deaths_max)
      lives_.back()->kill_tool(chance_);
  }

  void run(milliseconds time) {
    auto step = lives_.size() == 1 ? time : side_by_side;
    for (auto left = time; left.count() >= 0 && !world_.crashed; left -= step) {
      for (auto& l : lives_)
        l->on().run_until([&] { return turn(l->on()); }, std::min(step, left));
      if (step.count() == 0 || left == step)
        break;
    }
  }

  // After each turn of an actor. Now and then clients act in the midst of it.
  bool turn(stage& on) {
    if (until_act_-- == 0) {
      until_act_ = draw(faults_.turns_between_acts);
      act(on);
    }
    if (!ungated_.empty())
      throw violation{"the gate", ungated_};
    for (auto& c : clients_)
      c.watch(on);
    return false;
  }

  // -- what must hold --
  void check_parts() const {
    for (const auto& c : clients_)
      if (c.what().check)
        if (auto wrong = c.what().check(c.played(), far_); !wrong.empty())
          throw violation{"results", c.standing() + ": " + wrong};
  }

  void check_events() const {
    for (const auto& l : lives_) {
      const auto& trace = l->on().trace();
      for (const auto& line : trace)
        check_event(line);
      if (auto flaw = breaker_flaw(trace); !flaw.empty())
        throw violation{"breakers", flaw};
    }
  }

  void check_event(const std::string& line) const {
    auto says = [&](const char* what) { return line.find(what) != std::string::npos; };
    if (says("\"invocation.paused\"") || says("\"invocation.quarantined\"")
        || says("\"invocation.read_failed\""))
      throw violation{"journals", line};
    if (!disturbed_ && !world_.crashed && says("\"journal.commit_failed\""))
      throw violation{"commits", "one has failed although the disk works: " + line};
  }

  void check_counts(stage& on) {
    auto stats = on.ask<dispatcher_stats>(stats_request{});
    on.run_until([&] { return stats->has_value(); }, std::chrono::minutes{1});
    for (const auto& a : stats->value_or(dispatcher_stats{}).agents)
      if (a.open != 0 || a.waiting != 0 || a.live != 0)
        throw violation{"an end", fmt::format("nothing is left, and {} counts {} open, {} waiting, "
                                              "{} live",
                                              a.agent, a.open, a.waiting, a.live)};
  }

  // Who waits for a slot, or for others to give a key back, does so as long as it takes.
  void check_times(stage& on) const {
    store::filter all;
    all.limit = store::list_max;
    auto& store = on.log().store();
    for (const auto& r : records_of(store, all)) {
      bool waits = !prompt_ || std::count(yielding_.begin(), yielding_.end(), r.agent) > 0;
      if (auto wrong = unpunctual(rows_of(store, r.no), punctual_); !waits && !wrong.empty())
        throw violation{"timers", fmt::format("invocation {} of {}: {}", r.no, r.agent, wrong)};
    }
  }

  static bool nothing_open(stage& on) {
    store::filter open;
    open.open_only = true;
    open.limit = 1;
    return records_of(on.log().store(), open).empty();
  }

  bool all_done() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const client& c) { return c.done(); });
  }
  std::string standings() const {
    std::string all;
    for (const auto& c : clients_)
      if (!c.done())
        all += (all.empty() ? "" : "; ") + c.standing();
    return all;
  }

  std::uint64_t draw(std::uint64_t below) { return below == 0 ? 0 : chance_() % below; }
  bool percent(std::uint32_t p) { return chance_() % 100 < p; }

  world& world_;
  const production& play_;
  faults faults_;
  std::uint64_t seed_;
  std::mt19937_64 chance_;
  far_side far_;
  std::vector<client> clients_;
  std::vector<std::string> yielding_;
  punctuality punctual_;
  bool prompt_ = true;     ///< no agent waits for others of its kind
  std::string ungated_;    ///< what came before its command
  utc_time begun_{};       ///< the last life
  bool disturbed_ = false; ///< commits of this life may fail
  int deaths_ = 0;         ///< of tools, in this life
  std::uint64_t until_act_ = 0;
  std::vector<std::unique_ptr<process>> lives_; ///< last: they refer to all of this
};

} // namespace

faults drawn_faults(std::uint64_t seed) {
  std::mt19937_64 chance{seed * 0x9E3779B97F4A7C15U};
  auto percent = [&](std::uint32_t p) { return chance() % 100 < p; };
  faults f;
  f.lives = static_cast<std::uint32_t>(chance() % 6);
  f.crashes = percent(70);
  f.crash_within = percent(50) ? 20 : 80;
  f.failing_commits = percent(40) ? 25 : 0;
  f.zombies = percent(15);
  f.tool_deaths = percent(30);
  f.rude_services = percent(80);
  f.turns_between_acts = percent(50) ? 12 : 300;
  f.down_max = percent(30) ? std::chrono::minutes{100} : std::chrono::milliseconds{0};
  return f;
}

void rehearse(world& w, const production& p, std::uint64_t seed, const faults& f) {
  rehearsal{w, p, seed, f}.play();
}

} // namespace troupe::kit
