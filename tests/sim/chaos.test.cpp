// Everything at once, under many seeds: random crashes, failing commits, signals, cancellations.
// What must hold whatever happens: nothing acknowledged is lost, and no key is used twice for what
// must not be repeated.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

task<std::string> pay_and_tell(std::string id) {
  auto paid = co_await tool("charge").arg("id", id).call<std::string>();
  if (!paid)
    co_return std::move(paid).error();
  auto told = co_await tool("post").arg("id", id).call<std::string>();
  if (!told)
    co_return std::move(told).error();
  co_return *paid + *told;
}

task<receipt> mixes(order in) {
  receipt out;
  out.id = in.id;
  auto all = co_await when_all(pay_and_tell(in.id + "a"), pay_and_tell(in.id + "b"), sleep(3s));
  auto child = co_await with_timeout(1min, invoke<receipt>("chaos_child", in));
  auto number = co_await troupe::random();
  auto raced = co_await with_timeout(300ms, tool("look").call<std::string>());
  auto yes = co_await with_timeout(20s, signal<std::string>("go"));
  auto last = co_await tool("post").arg("n", number).call<std::string>();
  if (in.amount == 1) {
    in.amount = 2;
    co_return continue_as(in);
  }
  out.note = std::string{std::get<0>(all) ? "a" : "-"} + (std::get<1>(all) ? "b" : "-")
             + (child ? "c" : "-") + (last ? "l" : "-");
  out.steps = raced && yes ? 1 : 0;
  co_return out;
}

task<receipt> child(order in) {
  auto slept = co_await sleep(std::chrono::seconds{in.amount * 4});
  auto paid = co_await tool("charge").arg("child", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = slept && paid;
  co_return out;
}

task<receipt> counts(order in, ledger& state) {
  auto before = state.count;
  auto paid = co_await tool("charge").arg("n", before).call<std::string>();
  (void)co_await with_timeout(2s, signal<std::string>("go"));
  auto told = co_await tool("post").arg("n", before).call<std::string>();
  state.count = before + 1;
  receipt out;
  out.id = in.id;
  out.steps = paid && told ? state.count : 0;
  co_return out;
}

kit::stage_options everything(std::uint64_t seed) {
  play("mixes", mixes);
  play("chaos_child", child);
  play_keyed("chaos_counts", counts);
  auto o = cast_of({"mixes", "chaos_child"}, seed);
  o.agents.push_back(keyed("chaos_counts"));
  auto chance = std::make_shared<std::mt19937_64>(seed);
  for (auto* name : {"tool:charge", "tool:post", "tool:look"})
    on_call(o, name, [chance](kit::scripted_answer& a, std::uint32_t) {
      a.latency = std::chrono::milliseconds{(*chance)() % 600};
      if ((*chance)() % 8 == 0) { // the answer is lost, the effect perhaps not
        a.effect = (*chance)() % 2 == 0;
        a.silent = true;
      }
    });
  return o;
}

struct client {
  std::string agent;
  std::string input;
  std::string key;
  std::string acknowledged;
  std::optional<kit::answer> end;
};

} // namespace

TEST_CASE("a cast survives a hundred random histories", "[chaos][sweep]") {
  std::uint64_t crashes = 0, failures = 0, effects = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    std::mt19937_64 chance{seed};
    kit::world w;
    std::vector<client> clients;
    for (int i = 0; i < 3; ++i)
      clients.push_back({"mixes", R"({"id":"m)" + std::to_string(i) + R"(","amount":1})",
                         "m" + std::to_string(i), {}, {}});
    for (int i = 0; i < 4; ++i)
      clients.push_back({"chaos_counts", R"({"id":"k)" + std::to_string(i % 2) + R"(","amount":)"
                                           + std::to_string(i) + "}",
                         "c" + std::to_string(i), {}, {}});
    auto unfinished = [&] {
      return std::any_of(clients.begin(), clients.end(), [](const client& c) { return !c.end; });
    };
    INFO("seed " << seed);
    for (std::uint64_t life = 0; life < 60 && unfinished(); ++life) {
      bool calm = life >= 12; // then it must come to its end
      w.fail_commits = false;
      if (!calm)
        w.crash_at = {w.boundaries + chance() % 120};
      kit::stage stage{w, everything(seed * 1'000 + life)};
      std::vector<std::shared_ptr<kit::answer>> asked(clients.size());
      for (int round = 0; round < 40 && !w.crashed && unfinished(); ++round) {
        for (std::size_t i = 0; i < clients.size(); ++i) {
          auto& a = asked[i];
          bool again = !a || a->refused || (a->ended && a->state == store::status::running);
          if (!clients[i].end && again)
            a = stage.invoke(clients[i].agent, clients[i].input, clients[i].key);
        }
        if (!calm) {
          w.fail_commits = chance() % 10 == 0;
          failures += w.fail_commits ? 1 : 0;
        }
        stage.run(std::chrono::milliseconds{chance() % 4'000});
        w.fail_commits = false;
        if (chance() % 3 == 0)
          for (auto& a : asked)
            if (a && a->accepted && !a->ended && !w.crashed && chance() % 2 == 0)
              (void)stage.ask<command_reply>(signal_request{a->id, "go", R"("yes")"});
        if (calm)
          stage.run(1min);
        for (std::size_t i = 0; i < clients.size() && !w.crashed; ++i) {
          auto& a = asked[i];
          if (a && a->accepted) {
            CHECK((clients[i].acknowledged.empty() || clients[i].acknowledged == a->id));
            clients[i].acknowledged = a->id;
          }
          if (a && a->ended && !store::is_open(a->state))
            clients[i].end = *a;
        }
      }
      crashes += w.crashed ? 1 : 0;
    }
    std::map<std::string, std::set<int>> counted;
    for (auto& c : clients) {
      INFO("client " << c.key);
      REQUIRE(c.end);
      REQUIRE(c.end->state == store::status::completed);
      auto r = receipt_of(*c.end);
      if (c.agent == "chaos_counts" && r.steps > 0)
        CHECK(counted[r.id].insert(r.steps).second);
    }
    // An at_most_once effect is there once for each key, however often the world ended.
    CHECK(w.most("tool:post") <= 1);
    effects += w.total("tool:post");
  }
  WARN("chaos: 150 seeds, " << crashes << " crashes, " << failures << " failed commits, " << effects
                            << " effects");
}
