#include "tests/sim/planted_cast.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace troupe::sim::planted {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t signals_wanted = 5; // as the waiter does

/// Who completed under which key, by the count that it found: over all parts of one production.
using counts = std::map<std::string, std::map<int, std::string>>;

std::string wrong_signals(const kit::part_played& p, const account& a) {
  std::vector<std::uint32_t> taken;
  for (const auto& t : a.told)
    if (t.starts_with("sig "))
      taken.push_back(static_cast<std::uint32_t>(std::stoul(t.substr(4))));
  for (std::size_t i = 1; i < taken.size(); ++i)
    if (taken[i] <= taken[i - 1])
      return fmt::format("signal {} was taken after {}", taken[i], taken[i - 1]);
  for (auto s : p.signals)
    if (!taken.empty() && s < taken.back()
        && std::find(taken.begin(), taken.end(), s) == taken.end())
      return fmt::format("signal {} was acknowledged, and {} was taken in its place", s,
                         taken.back());
  return {};
}

std::string wrong_count(const account& a, const job& in, bool some_fail, counts& by_key) {
  auto [i, fresh] = by_key[a.id].emplace(a.steps, std::to_string(in.n));
  if (!fresh)
    return fmt::format("{} and {} of key {} both counted to {}", in.n, i->second, a.id, a.steps);
  std::set<std::string> seen;
  for (const auto& t : a.told) {
    if (!t.starts_with("in "))
      continue;
    auto n = std::stoi(t.substr(3));
    if (!seen.insert(t).second)
      return fmt::format("{} stands twice in the state of key {}", n, a.id);
    if (some_fail && n % 4 == 3)
      return fmt::format("{} of key {} has failed, and its change is in the state", n, a.id);
  }
  return static_cast<int>(seen.size()) == a.steps
           ? std::string{}
           : fmt::format("key {} counts {} and names {}", a.id, a.steps, seen.size());
}

/// How many things an agent tells of; 0: it depends.
std::size_t told_by(const std::string& agent) {
  static const std::map<std::string, std::size_t> all{
    {"clerk", 16}, {"waiter", 7}, {"parent", 4}, {"sleeper", 3}, {"shopper", 10}, {"thrower", 2}};
  auto i = all.find(agent);
  return i == all.end() ? 0 : i->second;
}

std::string check_completed(const std::string& agent, const job& in, const kit::part_played& p,
                            const kit::far_side& far, counts& by_key) {
  auto a = from_json<account>(*p.end.value);
  if (!a)
    return a.error().message;
  if (a->id != in.id)
    return "it is the answer to " + a->id;
  if (auto wrong = wrong_with(*a, far); !wrong.empty())
    return wrong;
  if (auto n = told_by(agent); n != 0 && a->told.size() != n)
    return fmt::format("{} things are told of, not {}", a->told.size(), n);
  if (agent == "waiter")
    return wrong_signals(p, *a);
  if (agent == "teller" || agent == "desk")
    return wrong_count(*a, in, agent == "teller", by_key);
  return {};
}

kit::part part_of(const std::string& agent, job in, bool cancels,
                  const std::shared_ptr<counts>& by_key) {
  kit::part p;
  p.agent = agent;
  p.input = to_json(in);
  p.key = fmt::format("{}-{}", in.id, in.n);
  p.cancels = cancels;
  p.signals = agent == "waiter" ? signals_wanted : agent == "desk" ? 1 : 0;
  bool fails = agent == "teller" && in.n % 4 == 3;
  bool expires = agent == "expiring";
  p.check = [=](const kit::part_played& played, const kit::far_side& far) -> std::string {
    const auto& end = played.end;
    if (end.state == store::status::completed && !fails && !expires)
      return check_completed(agent, in, played, far, *by_key);
    if (end.state == store::status::cancelled && (cancels || expires))
      return {};
    if (end.state == store::status::failed && fails)
      return {};
    return fmt::format("it is {}: {}", store::to_string(end.state),
                       end.value ? *end.value : to_string(end.value.error()));
  };
  return p;
}

tool_options workshop_tool(const std::string& name, effect_class cls, bool nervous) {
  tool_options o;
  o.name = name;
  o.effect = cls;
  o.retry.timeout = 1s;
  o.retry.total_timeout = 10s;
  o.reconcile.url = cls == effect_class::at_most_once ? "the far side" : "";
  o.concurrent = 2;
  if (!nervous)
    return o;
  o.breaker.window = 4; // it trips where services are merely rude
  o.breaker.calls_min = 2;
  o.breaker.open_for = 300ms;
  o.breaker.open_for_max = 2s;
  o.breaker.half_open_calls = 1;
  return o;
}

} // namespace

std::string body_of(const std::string& op) {
  return R"({"op":)" + to_json(op) + "}";
}

std::string told_of(const std::string& service, const std::string& op,
                    const result<std::string>& got) {
  auto what = service + " " + op;
  if (!got)
    return (got.error().outcome == certainty::definite ? "no " : "?? ") + what;
  auto said = to_json(*got);
  return (said == kit::did(body_of(op)) || said == kit::catalogue() ? "ok " : "WRONG ") + what;
}

std::string wrong_with(const account& a, const kit::far_side& far) {
  for (const auto& t : a.told) {
    if (t.starts_with("WRONG"))
      return t;
    if (t.starts_with("sig ") || t.starts_with("in ") || t == "none")
      continue;
    auto space = t.find(' ', 3);
    auto service = t.substr(3, space - 3);
    auto n = far.happened("tool:" + service, body_of(t.substr(space + 1)));
    if (service == "look")
      continue;
    if (t.starts_with("ok ") && n != 1)
      return fmt::format("\"{}\", and it was done {} times", t, n);
    if (t.starts_with("no ") && n != 0)
      return fmt::format("\"{}\", and it was done {} times", t, n);
  }
  return {};
}

kit::production draw_production(std::uint64_t seed) {
  register_cast();
  std::mt19937_64 chance{seed * 0xD1B54A32D192ED03U};
  auto one_of = [&](auto... xs) {
    std::array all{xs...};
    return all[chance() % all.size()];
  };
  kit::production p;
  auto& o = p.options;
  auto passivate = one_of(1ms, 500ms, 2'000ms);
  auto concurrency = one_of(0U, 0U, 0U, 1U, 2U);
  for (const auto* name : {"clerk", "juggler", "waiter", "worker", "hermit", "parent", "teller",
                           "desk", "sleeper", "shopper", "thrower"}) {
    auto a = named(name);
    a.passivate_after = passivate;
    a.concurrency = concurrency;
    if (a.name == "teller" || a.name == "desk")
      a = keyed(name, a.name == "desk");
    a.class_name = "rehearsed." + a.name; // other tests have agents of these names
    o.agents.push_back(a);
  }
  auto expiring = named("expiring");
  expiring.class_name = "rehearsed.hermit";
  expiring.deadline = 20s;
  o.agents.push_back(expiring);
  o.invocations.inline_max = one_of(std::size_t{16}, std::size_t{4096});
  o.invocations.generations_kept = one_of(2U, 5U);
  p.services = {{"tool:look", effect_class::read, false},
                {"tool:charge", effect_class::idempotent, false},
                {"tool:post", effect_class::at_most_once, true},
                {"tool:fire", effect_class::at_most_once, false}};
  auto by_key = std::make_shared<counts>();
  constexpr std::array kinds{"clerk", "juggler", "waiter",  "parent",  "teller",
                             "desk",  "sleeper", "shopper", "thrower", "expiring", "shopper"};
  // Some kinds only, and more of each: alike ones get into each other's way.
  std::vector<std::string> tonight;
  for (auto n = 1 + chance() % 3; n > 0; --n)
    tonight.emplace_back(kinds[chance() % kinds.size()]);
  auto clients = 2 + static_cast<int>(chance() % 5);
  for (int i = 0; i < clients; ++i) {
    const auto& agent = tonight[chance() % tonight.size()];
    bool shares = agent == "teller" || agent == "desk";
    job in;
    in.id = fmt::format("s{}.{}", seed, shares ? agent : std::to_string(i));
    in.n = shares ? i : agent == "sleeper" ? i % 2 : 0;
    p.parts.push_back(part_of(agent, in, chance() % 8 == 0, by_key));
  }
  if (std::find(tonight.begin(), tonight.end(), "shopper") != tonight.end()) {
    bool nervous = chance() % 2 == 0;
    p.tools = {workshop_tool("stamp", effect_class::idempotent, nervous),
               workshop_tool("press", effect_class::at_most_once, nervous)};
  }
  return p;
}

} // namespace troupe::sim::planted
