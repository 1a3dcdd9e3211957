#include "actors/guard/budget.hpp"

#include "runtime/telemetry/sinks.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

class hand_clock final : public time_source {
public:
  utc_time now() const override { return at; }
  steady_time steady() const override { return steady_time{at.time_since_epoch()}; }
  utc_time at{1'769'515'200s}; // noon
};

class no_chance final : public random_source {
public:
  std::uint64_t next() override { return 0; }
};

class office {
public:
  budget_book open(std::vector<budget_options> budgets) {
    return budget_book{std::move(budgets), env};
  }

  hand_clock clock;
  no_chance random;
  memory_sink events;
  directory services;
  environment env{clock, random, events, services};
};

budget_options per_day(std::string name, std::uint64_t tokens, double money = 0) {
  budget_options o;
  o.name = std::move(name);
  o.tokens = tokens;
  o.money = money;
  return o;
}

const spender anna{"triage", "acme", "t-1"};

} // namespace

TEST_CASE("what a request may take is reserved, and what it took is settled") {
  office o;
  auto aut = o.open({per_day("all", 1'000)});

  auto first = aut.reserve(anna, {600, 0});
  REQUIRE(first);
  auto second = aut.reserve(anna, {600, 0});
  CHECK(second.error().code == errc::budget_exceeded);
  CHECK(second.error().message.find("'all'") != std::string::npos);
  CHECK(second.error().retry_after == 12h);
  aut.settle(*first, {100, 0});

  CHECK(aut.spent("all").tokens == 100);
  CHECK(aut.reserve(anna, {900, 0}));
  CHECK(o.events.count("budget.exceeded") == 1);
}

TEST_CASE("a new day has a budget of its own and a request of yesterday is booked on its day") {
  office o;
  auto aut = o.open({per_day("all", 0, 1.0)});
  auto booked = aut.reserve(anna, {0, 0.9});
  REQUIRE(booked);
  CHECK_FALSE(aut.reserve(anna, {0, 0.2}));

  o.clock.at += 12h;
  CHECK(aut.reserve(anna, {0, 0.9}));
  aut.settle(*booked, {0, 0.5});

  CHECK(aut.spent("all").money == 0);
  o.clock.at -= 1s;
  CHECK(aut.spent("all").money == 0.5);
}

TEST_CASE("a budget is for those whom it names, and all that apply must have room") {
  office o;
  auto of_agent = per_day("agent", 100);
  of_agent.agents = {"triage"};
  auto of_tenant = per_day("tenant", 50);
  of_tenant.tenants = {"acme"};
  auto aut = o.open({of_agent, of_tenant});

  CHECK_FALSE(aut.reserve(anna, {60, 0}));             // its tenant has 50
  CHECK(aut.reserve({"triage", "", "t-2"}, {60, 0}));  // no tenant
  CHECK_FALSE(aut.reserve({"triage", "", "t-2"}, {60, 0}));
  CHECK(aut.reserve({"mail", "umbrella", "t-3"}, {1e9, 0})); // concerns nobody
}

TEST_CASE("each tree of invocations has its own account") {
  office o;
  auto tree = per_day("run", 100);
  tree.per = budget_period::invocation;
  auto aut = o.open({tree});

  CHECK(aut.reserve({"a", "", "t-1"}, {80, 0}));
  CHECK_FALSE(aut.reserve({"b", "", "t-1"}, {80, 0})); // a child of it
  CHECK(aut.reserve({"a", "", "t-2"}, {80, 0}));
}

TEST_CASE("at four fifths of a budget somebody is warned, once") {
  office o;
  auto aut = o.open({per_day("all", 1'000)});

  for (int i = 0; i < 9; ++i) {
    auto booked = aut.reserve(anna, {100, 0});
    REQUIRE(booked);
    aut.settle(*booked, {100, 0});
    CHECK(o.events.count("budget.warning") == (i < 7 ? 0U : 1U));
  }
}

TEST_CASE("what was spent survives the process") {
  office o;
  std::map<std::size_t, std::string> disk;
  auto tree = per_day("run", 100);
  tree.per = budget_period::invocation;
  std::vector<budget_options> budgets{per_day("all", 1'000), tree};
  auto before = o.open(budgets);
  before.keep = [&](std::size_t shard, std::string body) { disk[shard] = std::move(body); };
  auto booked = before.reserve(anna, {90, 0});
  REQUIRE(booked);
  before.settle(*booked, {90, 0});

  auto aut = o.open(budgets);
  for (const auto& [shard, body] : disk)
    aut.restore(shard, body);

  CHECK(aut.spent("all").tokens == 90);
  CHECK(aut.spent("run", "t-1").tokens == 90);
  CHECK_FALSE(aut.reserve(anna, {20, 0}));
  aut.restore(0, "nonsense");
  CHECK(aut.spent("all").tokens == 90);
}

TEST_CASE("accounts of trees are bounded, the oldest goes first") {
  office o;
  std::map<std::size_t, std::string> disk;
  auto tree = per_day("run", 100);
  tree.per = budget_period::invocation;
  auto aut = o.open({tree});
  aut.keep = [&](std::size_t shard, std::string body) { disk[shard] = std::move(body); };

  constexpr auto trees = 2 * budget_book::shards * budget_book::accounts_max;
  for (std::size_t i = 0; i < trees; ++i) {
    o.clock.at += 1ms;
    auto booked = aut.reserve({"a", "", "t-" + std::to_string(i)}, {1, 0});
    REQUIRE(booked);
    if (i + 1 == trees || i % 16 == 0) // the others end without having sent anything
      aut.settle(*booked, {1, 0});
    else
      aut.settle(*booked, {});
  }

  CHECK(aut.spent("run", "t-" + std::to_string(trees - 1)).tokens == 1);
  std::size_t bytes = 0;
  for (const auto& [_, body] : disk)
    bytes += body.size();
  CHECK(bytes < 3U << 20);
}

TEST_CASE("requests that are refused or cost nothing leave no account behind") {
  office o;
  auto tree = per_day("run", 100);
  tree.per = budget_period::invocation;
  auto aut = o.open({tree, per_day("all", 1'000)});
  REQUIRE(aut.reserve({"a", "", "dear"}, {90, 0}));

  for (std::size_t i = 0; i < 1'000; ++i) {
    auto who = spender{"a", "", "t-" + std::to_string(i)};
    auto booked = aut.reserve(who, {10, 0});
    REQUIRE(booked);
    aut.settle(*booked, {}); // the model was down
    CHECK_FALSE(aut.reserve(who, {101, 0}));
  }

  CHECK(aut.size() == 2); // of the tree that has a request in flight, and of the day
}

TEST_CASE("memory is bounded in accounts while nobody pays anything yet") {
  office o;
  auto tree = per_day("run", 100);
  tree.per = budget_period::invocation;
  auto aut = o.open({tree});
  constexpr auto most = budget_book::shards * budget_book::accounts_max;
  for (std::size_t i = 0; i < 2 * most; ++i) {
    auto booked = aut.reserve({"a", "", "t-" + std::to_string(i)}, {1, 0});
    REQUIRE(booked);
    aut.settle(*booked, {1, 0});
    o.clock.at += 1ms;
  }

  CHECK(aut.size() <= most);
}
