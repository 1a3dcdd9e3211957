// Keyed agents: one after another over one saved state.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

task<receipt> counts(order in, ledger& state) {
  auto seen = state.count;
  auto done = co_await tool("charge").arg("n", in.amount).call<std::string>();
  if (!done)
    co_return std::move(done).error();
  state.count = seen + 1; // a lost update, if two ran at a time
  receipt out;
  out.id = in.id;
  out.steps = state.count;
  co_return out;
}

kit::stage_options with_keyed(const std::string& name, bool yields = false) {
  auto o = cast_of({});
  o.agents.push_back(keyed(name, yields));
  return o;
}

std::string order_of(const std::string& key, int n) {
  return R"({"id":")" + key + R"(","amount":)" + std::to_string(n) + "}";
}

std::string state_of(kit::world& w, const std::string& agent, const std::string& key = "T-1") {
  store::memory_store disk{w.disk, 1};
  return disk.load_state(agent, key).value().value_or("");
}

} // namespace

TEST_CASE("invocations of one key run one after another, in order of arrival", "[keyed]") {
  play_keyed("counts", counts);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    kit::world w;
    auto o = with_keyed("counts");
    o.seed = seed;
    {
      kit::stage stage{w, o};
      std::vector<std::shared_ptr<kit::answer>> all;
      for (int i = 0; i < 10; ++i) {
        all.push_back(stage.invoke("counts", order_of("A", i)));
        all.push_back(stage.invoke("counts", order_of("B", i)));
      }
      stage.run_until([&] {
        return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
      });
      INFO("seed " << seed);
      int per_key = 0;
      for (std::size_t i = 0; i < all.size(); i += 2) {
        ++per_key;
        CHECK(receipt_of(*all[i]).steps == per_key);
        CHECK(receipt_of(*all[i + 1]).steps == per_key);
      }
    }
    CHECK(state_of(w, "counts", "A") == R"({"count":10,"log":[]})");
  }
}

TEST_CASE("a key's state is committed with the completion, over a crash at every boundary",
          "[keyed][sweep]") {
  play_keyed("counts", counts);
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      std::vector<kit::answer> last(3);
      for (std::uint64_t life = 0; life < 30; ++life) {
        auto o = with_keyed("counts");
        o.seed += life;
        kit::stage stage{w, o};
        std::vector<std::shared_ptr<kit::answer>> all;
        for (int i = 0; i < 3; ++i)
          all.push_back(stage.invoke("counts", order_of("T-1", i), "k" + std::to_string(i)));
        stage.run_until([&] {
          return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
        });
        if (w.crashed)
          continue;
        for (int i = 0; i < 3; ++i)
          last[static_cast<std::size_t>(i)] = *all[static_cast<std::size_t>(i)];
        break;
      }
      std::set<int> counts;
      for (auto& a : last) {
        REQUIRE(a.ended);
        counts.insert(receipt_of(a).steps);
      }
      CHECK(counts == std::set<int>{1, 2, 3});
      CHECK(w.effects["tool:charge"].size() == 3);
      CHECK(state_of(w, "counts") == R"({"count":3,"log":[]})");
    },
    true);
  WARN("keyed: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("a failure discards what the invocation has changed", "[keyed]") {
  play_keyed("spoils", [](order in, ledger& state) -> task<receipt> {
    state.count += 100;
    auto done = co_await tool("look").call<std::string>();
    if (in.amount == 1 || !done)
      co_return errc::failed;
    receipt out;
    out.steps = state.count;
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, with_keyed("spoils")};
  auto a = stage.invoke("spoils", order_of("T-1", 1));
  auto b = stage.invoke("spoils", order_of("T-1", 2));
  stage.run_until([&] { return a->ended && b->ended; });
  CHECK(a->state == store::status::failed);
  CHECK(receipt_of(*b).steps == 100);
}

TEST_CASE("state survives a restart and a passivation", "[keyed]") {
  play_keyed("naps", [](order in, ledger& state) -> task<receipt> {
    state.log.push_back("begin " + std::to_string(in.amount));
    (void)co_await sleep(1h);
    state.log.push_back("end " + std::to_string(in.amount));
    receipt out;
    out.steps = static_cast<int>(state.log.size());
    co_return out;
  });
  kit::world w;
  {
    kit::stage stage{w, with_keyed("naps")};
    auto a = stage.invoke("naps", order_of("T-1", 1));
    stage.run_until([&] { return a->ended; }, 2h);
    CHECK(receipt_of(*a).steps == 2);
  }
  kit::stage stage{w, with_keyed("naps")};
  auto a = stage.invoke("naps", order_of("T-1", 2));
  stage.run_until([&] { return a->ended; }, 2h);
  CHECK(receipt_of(*a).steps == 4);
}

TEST_CASE("while one waits its key waits, before and after a restart", "[keyed]") {
  play_keyed("approved", [](order in, ledger& state) -> task<receipt> {
    if (in.amount == 1)
      (void)co_await signal<raw_json>("go");
    receipt out;
    out.steps = ++state.count;
    co_return out;
  });
  kit::world w;
  {
    kit::stage stage{w, with_keyed("approved")};
    auto a = stage.invoke("approved", order_of("T-1", 1), "first");
    stage.run(1min);
    auto b = stage.invoke("approved", order_of("T-1", 2), "second");
    auto other = stage.invoke("approved", order_of("T-2", 2), "other");
    stage.run(5min);
    CHECK(a->accepted);
    CHECK(b->accepted);
    CHECK_FALSE(b->ended);
    CHECK(other->ended);
  }
  kit::stage stage{w, with_keyed("approved")};
  auto b = stage.invoke("approved", order_of("T-1", 2), "second");
  auto a = stage.invoke("approved", order_of("T-1", 1), "first");
  stage.run(5min);
  CHECK_FALSE(b->ended);
  REQUIRE(signal_it(stage, a->id, "go"));
  stage.run_until([&] { return a->ended && b->ended; });
  CHECK(receipt_of(*a).steps == 1);
  CHECK(receipt_of(*b).steps == 2);
}

TEST_CASE("an invoke of the own key is a deadlock at once, also through another agent", "[keyed]") {
  play_keyed("selfish", [](order in, ledger&) -> task<receipt> {
    auto again = co_await invoke<receipt>(in.amount == 1 ? "selfish" : "middle", in);
    receipt out;
    out.note = again ? "?" : to_string(again.error().code);
    co_return out;
  });
  play("middle", [](order in) -> task<receipt> {
    co_return co_await invoke<receipt>("selfish", in);
  });
  auto o = with_keyed("selfish");
  o.agents.push_back(named("middle"));
  kit::world w;
  kit::stage stage{w, o};
  auto a = stage.invoke("selfish", order_of("T-1", 1));
  auto b = stage.invoke("selfish", order_of("T-2", 2));
  auto begun = stage.now();
  stage.run_until([&] { return a->ended && b->ended; });
  CHECK(receipt_of(*a).note == "deadlock");
  CHECK(receipt_of(*b).note == "deadlock");
  CHECK(stage.now() - begun < 1s);
}

TEST_CASE("an input without the key is refused", "[keyed]") {
  play_keyed("counts", counts);
  auto o = with_keyed("counts");
  o.agents.front().key = "customer";
  kit::world w;
  kit::stage stage{w, o};
  auto a = stage.invoke("counts", one_order);
  stage.run_until([&] { return a->refused; });
  CHECK(a->value.error().code == errc::invalid_input);
}

TEST_CASE("a keyed agent's state is carried over generations", "[keyed][sweep]") {
  play_keyed("rounds_of", [](order in, ledger& state) -> task<receipt> {
    state.log.push_back(std::to_string(in.amount));
    (void)co_await tool("charge").arg("n", in.amount).call<std::string>();
    if (in.amount++ < 4)
      co_return continue_as(in);
    receipt out;
    for (auto& line : state.log)
      out.note += line;
    co_return out;
  });
  auto report = kit::for_each_crash_point([](kit::world& w) {
    auto a = drive(w, with_keyed("rounds_of"), "rounds_of", one_order);
    CHECK(receipt_of(a).note == "1234");
  });
  WARN("keyed generations: " << report.runs << " runs");
}

TEST_CASE("a retried invocation begins on the state that its key has now", "[keyed]") {
  play_keyed("flaky", [](order in, ledger& state) -> task<receipt> {
    state.count += in.amount;
    auto done = co_await tool("aut").call<std::string>();
    if (!done)
      co_return std::move(done).error();
    receipt out;
    out.steps = state.count;
    co_return out;
  });
  auto o = with_keyed("flaky");
  o.services.push_back(service("tool:aut", effect_class::idempotent));
  on_call(o, "tool:aut", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 0)
      a.value = error{errc::failed, "not today"};
  });
  kit::world w;
  {
    kit::stage stage{w, o};
    auto a = stage.invoke("flaky", order_of("T-1", 1));
    auto b = stage.invoke("flaky", order_of("T-1", 10));
    stage.run_until([&] { return a->ended && b->ended; });
    CHECK(a->state == store::status::failed);
    CHECK(receipt_of(*b).steps == 10);
    REQUIRE(command(stage, retry_request{a->id}));
    REQUIRE(reaches(stage, a->id, store::status::completed));
    auto end = entries_of<journal::ended>(stage, a->id).back();
    CHECK(from_json<receipt>(end.value.text).value().steps == 11);
  }
  CHECK(state_of(w, "flaky") == R"({"count":11,"log":[]})");
}

namespace {

// Notes its arrival, waits for its own approval, notes it.
task<receipt> yielding(order in, ledger& state) {
  state.log.push_back("a" + std::to_string(in.amount));
  auto asked = co_await tool("charge").arg("n", in.amount).call<std::string>();
  auto yes = co_await signal<std::string>("approve");
  state.log.push_back("b" + std::to_string(in.amount));
  ++state.count;
  auto told = co_await tool("post").arg("n", in.amount).call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = asked && yes && told;
  for (auto& line : state.log)
    out.note += line;
  co_return out;
}

} // namespace

TEST_CASE("with yields, others run under the key while one waits for a signal", "[keyed]") {
  play_keyed("yielding", yielding);
  kit::world w;
  {
    kit::stage stage{w, with_keyed("yielding", true)};
    auto a = stage.invoke("yielding", order_of("T-1", 1));
    auto b = stage.invoke("yielding", order_of("T-1", 2));
    auto c = stage.invoke("yielding", order_of("T-1", 3));
    stage.run(10min);
    CHECK(w.total("tool:charge") == 3);
    REQUIRE(signal_it(stage, b->id, "approve", R"("yes")"));
    stage.run_until([&] { return b->ended; });
    CHECK(receipt_of(*b).note == "a1a2a3b2");
    REQUIRE(signal_it(stage, a->id, "approve", R"("yes")"));
    stage.run_until([&] { return a->ended; });
    CHECK(receipt_of(*a).note == "a1a2a3b2b1");
    REQUIRE(signal_it(stage, c->id, "approve", R"("yes")"));
    stage.run_until([&] { return c->ended; });
    CHECK(receipt_of(*c).note == "a1a2a3b2b1b3");
  }
  CHECK(from_json<ledger>(state_of(w, "yielding")).value().count == 3);
}

TEST_CASE("a yielding agent loses no update to a crash at any boundary", "[keyed][sweep]") {
  play_keyed("yielding", yielding);
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      std::set<int> done, told;
      for (std::uint64_t life = 0; life < 40 && done.size() < 3; ++life) {
        auto o = with_keyed("yielding", true);
        o.seed += life;
        kit::stage stage{w, o};
        std::vector<std::shared_ptr<kit::answer>> all;
        for (int i = 0; i < 3; ++i)
          all.push_back(stage.invoke("yielding", order_of("T-1", i), "k" + std::to_string(i)));
        stage.run_until([&] {
          return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->accepted; });
        });
        for (int i = 2; i >= 0 && !w.crashed; --i)
          if (!told.contains(i) && !all[static_cast<std::size_t>(i)]->ended
              && signal_it(stage, all[static_cast<std::size_t>(i)]->id, "approve", R"("yes")"))
            told.insert(i);
        stage.run_until(
          [&] {
            return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
          },
          10min);
        for (int i = 0; i < 3 && !w.crashed; ++i)
          if (all[static_cast<std::size_t>(i)]->ended)
            done.insert(i);
      }
      REQUIRE(done.size() == 3);
      auto state = from_json<ledger>(state_of(w, "yielding")).value();
      CHECK(state.count == 3);
      auto log = state.log;
      std::sort(log.begin(), log.end());
      CHECK(log == std::vector<std::string>{"a0", "a1", "a2", "b0", "b1", "b2"});
      CHECK(w.most("tool:post") == 1);
      CHECK(w.effects["tool:post"].size() == 3);
    },
    true);
  WARN("yields: " << report.crash_points << " crash points, " << report.runs << " runs");
}
