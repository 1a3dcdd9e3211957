#include "tests/kit/explore.hpp"

#include "tests/kit/counts.hpp"
#include "tests/kit/minimise.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>

namespace troupe::kit {
namespace {

/// Turns and events in a report.
constexpr std::size_t turns_shown = 25;
constexpr std::size_t events_shown = 50;
/// Of the turns that were chosen: in a minimal run there are few.
constexpr std::size_t choices_shown = 40;

std::optional<std::uint64_t> number_in(const char* variable) {
  const auto* text = std::getenv(variable); // NOLINT(concurrency-mt-unsafe)
  if (text == nullptr || *text == '\0')
    return std::nullopt;
  std::string_view all{text};
  std::uint64_t n = 0;
  auto [end, failed] = std::from_chars(all.data(), all.data() + all.size(), n);
  require(failed == std::errc{} && end == all.data() + all.size(),
          fmt::format("{}: not a number: {}", variable, all));
  return n;
}

/// What a shell takes for the name of a test, and Catch2 for one name.
std::string in_quotes(std::string_view name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == ',' || c == '[' || c == '\\')
      out += "\\\\";
    else if (c == '"' || c == '$' || c == '`')
      out += '\\';
    out += c;
  }
  return out + '"';
}

std::string command_for(std::uint64_t seed) {
  std::error_code failed;
  auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  auto shown = failed ? std::string{"TEST"} : self.lexically_proximate(
                          std::filesystem::current_path(failed)).string();
  if (current_test().empty())
    return fmt::format("TROUPE_SEED={} {}", seed, shown);
  return fmt::format("{} {} --seed {}", shown, in_quotes(current_test()), seed);
}

/// The turns that were chosen, those right before them, and the last ones.
std::string turns_of(const trace_log& trace) {
  auto all = trace.turns();
  auto tail = all.size() - std::min(all.size(), turns_shown);
  std::vector<delivery> shown;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i >= tail || all[i].chosen || (i + 1 < all.size() && all[i + 1].chosen))
      shown.push_back(all[i]);
  if (shown.size() > turns_shown + choices_shown)
    shown.erase(shown.begin(), shown.end() - static_cast<long>(turns_shown + choices_shown));
  return table_of(shown);
}

schedule_options options_of(const exploration& how, std::uint64_t seed, std::uint64_t steps) {
  schedule_options o;
  o.seed = seed;
  o.change_points = how.change_points;
  o.steps_expected = steps;
  if (seed == 0)
    o.how = strategy::fifo;
  else
    o.how = how.only ? *how.only : seed % 2 == 0 ? strategy::pct : strategy::random;
  return o;
}

failing_seed report_on(const attempt& first, const exploration& how, const scenario& s) {
  auto shown = minimise(first, how.tries_max, s);
  failing_seed out;
  out.seed = first.options.seed;
  out.how = first.options.how;
  out.what = first.failed.value_or("");
  out.report = fmt::format(
    "seed {} ({}) fails: {}\n\nagain: {}\n\n{} of {} choices of who goes first are needed (*); "
    "{} turns in all\n{}\nthe last {} events\n{}",
    out.seed, to_string(out.how), out.what, command_for(out.seed), shown.choices.size(),
    first.choices.size(), shown.turns, shown.turns_table, events_shown, shown.events_table);
  return out;
}

} // namespace

attempt run_attempt(const schedule_options& options,
                    const std::vector<schedule::choice>* choices, const scenario& s) {
  attempt out;
  out.options = options;
  world w;
  w.order = choices == nullptr ? std::make_shared<schedule>(options)
                               : std::make_shared<schedule>(options, *choices);
  auto assertions = failed_assertions();
  try {
    s(w);
    if (failed_assertions() != assertions)
      out.failed = "assertions of the test failed";
  } catch (const std::exception& e) {
    out.failed = e.what();
  } catch (...) { // a framework's way to leave a test
    out.failed = "an assertion of the test failed";
  }
  out.turns = w.trace.size();
  out.digest = w.trace.digest();
  out.virtual_time = w.elapsed;
  out.steps = w.order->steps();
  if (out.failed) {
    out.choices = w.order->choices();
    out.turns_table = turns_of(w.trace);
    out.events_table = table_of(w.trace.events(events_shown));
  }
  return out;
}

void run_seed(world& w, schedule_options how, const scenario& s) {
  w.order = std::make_shared<schedule>(how);
  s(w);
}

exploration_report explore(const exploration& how, const scenario& s) {
  exploration_report out;
  auto begun = std::chrono::steady_clock::now();
  auto first = how.first;
  auto seeds = how.seeds;
  if (how.from_environment) {
    seeds = number_in("TROUPE_SEEDS").value_or(seeds);
    if (auto one = chosen_seed() ? chosen_seed() : number_in("TROUPE_SEED")) {
      first = *one;
      seeds = 1;
    }
  }
  // The first run has no choices at all, and says how long a run is: PCT must know, and know the
  // same when one seed is run alone.
  std::uint64_t steps = 0;
  for (std::uint64_t i = 0; i <= seeds && !out.failed; ++i) {
    auto a = run_attempt(options_of(how, i == 0 ? 0 : first + i - 1, steps), nullptr, s);
    steps = i == 0 ? a.steps : steps;
    out.seeds += i == 0 ? 0 : 1;
    out.turns += a.turns;
    out.digest = out.digest * 31 + a.digest;
    out.virtual_time += a.virtual_time;
    if (a.failed)
      out.failed = report_on(a, how, s);
  }
  out.real_time = std::chrono::duration_cast<std::chrono::microseconds>(
    std::chrono::steady_clock::now() - begun);
  return out;
}

exploration_report for_each_seed(const exploration& how, const scenario& s) {
  auto out = explore(how, s);
  count("seeds", out.seeds);
  if (out.failed)
    throw failure{out.failed->report};
  return out;
}

exploration_report for_each_seed(std::uint64_t seeds, const scenario& s) {
  exploration how;
  how.seeds = seeds;
  return for_each_seed(how, s);
}

} // namespace troupe::kit
