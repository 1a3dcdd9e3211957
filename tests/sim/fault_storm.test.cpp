// Fault 52: ten thousand agents that come back at once.
#include "tests/sim/fault_ground.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

TEST_CASE("fault 52, recovery storm of 10,000 agents: they come back at a bounded rate, once each",
          "[fault]") {
  play("charges_once", [](order in) -> task<receipt> {
    auto paid = co_await tool("charge").arg("id", in.id).call<std::string>();
    receipt out;
    out.id = in.id;
    out.steps = paid ? 1 : 0;
    co_return out;
  });
  constexpr int agents = 10'000;
  constexpr std::uint64_t per_second = 5'000;
  kit::world w;
  auto o = cast_of({"charges_once"});
  o.dispatcher.recovery_rate = per_second;
  o.dispatcher.depth_max = o.agents[0].depth_max = 2 * agents;
  auto input = [](int i) { return R"({"id":")" + std::to_string(i) + R"(","amount":1})"; };
  {
    auto dying = o;
    on_call(dying, "tool:charge", [](kit::scripted_answer& a, std::uint32_t nth) {
      a.silent = true;
      a.effect = nth % 2 == 0; // of half of them the answer is lost, of the others the request
    });
    kit::stage first{w, dying};
    std::vector<std::shared_ptr<kit::answer>> all;
    for (int i = 0; i < agents; ++i)
      all.push_back(first.invoke("charges_once", input(i), "k" + std::to_string(i)));
    first.run_until([&] { return w.calls["tool:charge"].size() == agents; });
    first.run(10ms); // so that all have been told
    for (const auto& a : all)
      if (a->refused)
        FAIL(a->value.error().message);
    REQUIRE(w.calls["tool:charge"].size() == agents);
    REQUIRE(std::all_of(all.begin(), all.end(), [](const auto& a) { return a->accepted; }));
  }

  std::map<std::int64_t, std::uint64_t> calls_in; // tenth of a second -> calls
  kit::stage* living = nullptr;
  on_call(o, "tool:charge", [&](kit::scripted_answer&, std::uint32_t) {
    ++calls_in[living->now().time_since_epoch() / 100ms];
  });
  kit::stage second{w, o};
  living = &second;
  auto begun = second.now();
  second.run_until([&] { return w.effects["tool:charge"].size() == agents; }, 1min);
  auto took = second.now() - begun;
  second.run(1s);

  std::uint64_t peak = 0;
  for (const auto& [_, n] : calls_in)
    peak = std::max(peak, n);
  CHECK(peak <= per_second / 10 + per_second / 100);
  CHECK(took < 10s);
  CHECK(w.effects["tool:charge"].size() == agents);
  for (int i = 0; i < agents; i += 997) {
    auto a = second.invoke("charges_once", input(i), "k" + std::to_string(i));
    second.run_until([&] { return a->ended; }, 1min);
    CHECK(receipt_of(*a).steps == 1);
  }
  WARN("recovery storm: " << agents << " agents in " << took / 1ms << " ms of virtual time, at most "
                          << peak << " calls in 100 ms");
}
