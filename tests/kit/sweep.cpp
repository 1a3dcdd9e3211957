#include "tests/kit/sweep.hpp"

#include "tests/kit/counts.hpp"
#include "tests/kit/failure.hpp"
#include "tests/kit/stage.hpp"

#include <fmt/format.h>

#include <optional>

namespace troupe::kit {
namespace {

/// Turns and events of a run that failed.
constexpr std::size_t shown_max = 30;

/// Where the machine dies, and dies again.
struct crash_plan {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> second{};
  std::uint64_t recovery_turns = 0;
};

std::vector<crash_plan> plans_for(std::uint64_t at, const sweep_options& how) {
  std::vector<crash_plan> all{{at}};
  if (!how.twice)
    return all;
  for (std::uint64_t n = 1; n <= how.window; ++n)
    all.push_back({at, at + n});
  for (auto turns : how.recovery_turns)
    all.push_back({at, std::nullopt, turns});
  return all;
}

void apply(const crash_plan& p, world& w) {
  w.crash_at.insert(p.first);
  if (p.second)
    w.crash_at.insert(*p.second);
  w.crash_in_recovery = p.recovery_turns;
}

std::string describe(const crash_plan& p, const world& undisturbed) {
  auto out = fmt::format("crash {} of {} ({})", p.first, undisturbed.boundaries,
                         to_string(undisturbed.passed[p.first]));
  if (p.second)
    out += fmt::format(", then at boundary {}", *p.second);
  if (p.recovery_turns != 0)
    out += fmt::format(", then after {} turns of the recovery", p.recovery_turns);
  return out;
}

/// Runs `run` for all crash points of the scenario that has made `undisturbed`.
sweep_report sweep(const world& undisturbed, const sweep_options& how,
                   const std::function<void(world&, const crash_plan&)>& run) {
  sweep_report report;
  report.crash_points = undisturbed.boundaries;
  report.runs = 1;
  for (auto k : undisturbed.passed)
    ++report.kinds[static_cast<std::size_t>(k)];
  for (std::uint64_t k = 0; k < report.crash_points; ++k)
    for (const auto& plan : plans_for(k, how)) {
      world w;
      apply(plan, w);
      run(w, plan);
      ++report.runs;
    }
  count("crash points", report.crash_points);
  count("runs with a crash", report.runs - 1);
  return report;
}

} // namespace

std::string_view to_string(crash_kind k) noexcept {
  switch (k) {
    case crash_kind::before_write: return "before the write";
    case crash_kind::before_sync: return "before the sync";
    case crash_kind::before_ack: return "before the acknowledgement";
    case crash_kind::after_effect: return "after the effect, before its record";
  }
  return "?";
}

sweep_report for_each_crash_point(const scenario& s, const sweep_options& how) {
  world undisturbed;
  s(undisturbed);
  return sweep(undisturbed, how, [&](world& w, const crash_plan&) { s(w); });
}

sweep_report for_each_crash_point(const scenario& s, bool twice, std::uint64_t window) {
  sweep_options how;
  how.twice = twice;
  how.window = window;
  return for_each_crash_point(s, how);
}

sweep_report sweep_crash_points(const answering& s, const sweep_options& how) {
  world undisturbed;
  auto wanted = s(undisturbed);
  return sweep(undisturbed, how, [&](world& w, const crash_plan& plan) {
    std::string wrong;
    try {
      if (auto got = s(w); got != wanted)
        wrong = fmt::format("another result: {} instead of {}", got, wanted);
    } catch (const std::exception& e) {
      wrong = e.what();
    }
    if (wrong.empty() && how.promises)
      wrong = fmt::format("{}", fmt::join(broken_promises(w, undisturbed), "\n"));
    if (!wrong.empty())
      throw failure{fmt::format("{}: {}\n\nthe last turns\n{}\nthe last events\n{}",
                                describe(plan, undisturbed), wrong,
                                table_of(w.trace.turns(shown_max)),
                                table_of(w.trace.events(shown_max)))};
  });
}

std::vector<std::string> broken_promises(const world& w, const world& undisturbed) {
  std::vector<std::string> out;
  auto keys_of = [](const world& one, const std::string& service) {
    auto found = one.effects.find(service);
    return found == one.effects.end() ? std::map<std::string, std::uint32_t>{} : found->second;
  };
  for (const auto& [service, cls] : w.classes) {
    if (cls == effect_class::pure || cls == effect_class::read)
      continue;
    auto now = keys_of(w, service);
    auto before = keys_of(undisturbed, service);
    if (now.size() != before.size())
      out.push_back(fmt::format("'{}' ({}) was used with {} keys, undisturbed with {}", service,
                                to_string(cls), now.size(), before.size()));
    if (cls == effect_class::at_most_once)
      for (const auto& [key, times] : now)
        if (times > 1)
          out.push_back(
            fmt::format("'{}' (at_most_once) has done {} {} times", service, key, times));
    if (auto two = w.rewritten.find(service);
        cls == effect_class::idempotent && two != w.rewritten.end())
      out.push_back(fmt::format("'{}' (idempotent) got another body under the key {}", service,
                                *two->second.begin()));
  }
  return out;
}

std::string run_to_answer(world& w, const stage_options& options, const std::string& agent,
                  const std::string& input, const std::string& key, std::uint64_t lives_max) {
  for (std::uint64_t life = 0; life < lives_max; ++life) {
    auto o = options;
    o.seed = options.seed + life;
    stage aut{w, std::move(o)};
    auto a = aut.invoke(agent, input, key);
    aut.run_until([&] { return a->ended || a->refused; });
    if (!w.crashed && (a->ended || a->refused))
      return a->value ? *a->value : std::string{to_string(a->value.error().code)};
  }
  throw failure{fmt::format("no answer after {} lives", lives_max)};
}

} // namespace troupe::kit
