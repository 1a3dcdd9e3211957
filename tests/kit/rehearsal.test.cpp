// A production under faults, as a user would rehearse one; and that a rehearsal finds what is wrong.
#include "tests/kit/rehearsal.hpp"

#include "runtime/core/agent.hpp"
#include "tests/kit/explore.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct purchase {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(purchase, (), (id))

/// Pays, waits for somebody's approval, and ships.
class shop final : public agent<purchase, std::string> {
  task<std::string> run(purchase in) override {
    auto paid = co_await tool("pay").arg("id", in.id).call<std::string>();
    if (!paid)
      co_return std::move(paid).error();
    auto approved = co_await signal<int>("go");
    if (!approved)
      co_return std::move(approved).error();
    auto shipped = co_await tool("ship").arg("id", in.id).call<std::string>();
    if (!shipped)
      co_return std::move(shipped).error();
    co_return "shipped " + in.id;
  }
};

/// A careless one: what it asks for depends on how often the process has begun it.
class careless final : public agent<purchase, std::string> {
  task<std::string> run(purchase in) override {
    static int begun = 0;
    auto nth = std::to_string(begun++);
    auto paid = co_await tool("pay").arg("id", in.id + "-" + nth).call<std::string>();
    if (!paid)
      co_return std::move(paid).error();
    co_return "paid " + in.id;
  }
};

TROUPE_AGENT(shop)
TROUPE_AGENT(careless)

std::string arguments_of(const std::string& id) {
  return R"({"id":")" + id + R"("})";
}

// Whoever completes has shipped; and nobody has shipped without having been paid.
std::string check_purchase(const std::string& id, const kit::part_played& played,
                           const kit::far_side& far) {
  auto paid = far.happened("tool:pay", arguments_of(id));
  auto shipped = far.happened("tool:ship", arguments_of(id));
  if (played.end.state == store::status::completed && shipped != 1)
    return id + " completed and was not shipped";
  return shipped > paid ? id + " was shipped for nothing" : "";
}

kit::production three_purchases(const std::string& agent) {
  kit::production p;
  agent_options options;
  options.name = agent;
  p.options.agents.push_back(options);
  p.services = {{"tool:pay", effect_class::idempotent, false},
                {"tool:ship", effect_class::at_most_once, true}};
  for (const auto* id : {"a", "b", "c"}) {
    kit::part client;
    client.agent = agent;
    client.input = arguments_of(id);
    client.key = id;
    if (agent == "careless") {
      p.parts.push_back(std::move(client));
      continue;
    }
    client.signals = 1;
    client.check = [id = std::string{id}](const auto& played, const auto& far) {
      return check_purchase(id, played, far);
    };
    p.parts.push_back(std::move(client));
  }
  return p;
}

} // namespace

TEST_CASE("a production is rehearsed under faults that the seed chooses", "[seeds]") {
  auto p = three_purchases("shop");
  kit::for_each_seed(200, [&](kit::world& w) {
    kit::rehearse(w, p, w.order->options().seed);
  });
}

TEST_CASE("a rehearsal finds an agent whose replay differs from its run") {
  auto p = three_purchases("careless");
  kit::exploration how;
  how.seeds = 50;
  how.tries_max = 0;
  how.from_environment = false;

  auto report = kit::explore(how, [&](kit::world& w) {
    kit::rehearse(w, p, w.order->options().seed);
  });

  REQUIRE(report.failed);
  INFO(report.failed->what);
  CHECK(report.failed->what.find("nondeterministic") != std::string::npos);
}

TEST_CASE("the same seed plays the same rehearsal") {
  auto p = three_purchases("shop");
  auto digest_of = [&](std::uint64_t seed) {
    kit::world w;
    kit::schedule_options o;
    o.seed = seed;
    kit::run_seed(w, o, [&](kit::world& same) { kit::rehearse(same, p, seed); });
    return w.trace.digest();
  };

  CHECK(digest_of(5) == digest_of(5));
  CHECK(digest_of(5) != digest_of(6));
}

TEST_CASE("the journal's invariants name what cannot be") {
  auto row = [](journal::lsn at, journal::entry e) {
    journal::row r;
    r.at = at;
    r.entries.push_back(std::move(e));
    return r;
  };
  journal::command asked;
  asked.at = {"", 0};
  asked.kind = journal::effect_kind::signal;
  journal::completion taken;
  taken.at = {"", 0};
  taken.signal = 7;
  journal::command next = asked;
  next.at.seq = 1;
  journal::completion again = taken;
  again.at.seq = 1;

  CHECK(kit::flaw_of({row(1, asked), row(2, taken)}).empty());
  CHECK(kit::flaw_of({row(1, taken)}) == "row 1: a completion at -/0, where nothing is open");
  CHECK(kit::flaw_of({row(1, asked), row(2, taken), row(3, next), row(4, again)})
        == "row 4: signal 7 is consumed twice");
  CHECK(kit::flaw_of({row(1, asked), row(2, journal::ended{}), row(3, taken)})
        == "row 3: it goes on after its end");
}
