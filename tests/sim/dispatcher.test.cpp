// Taking work in: durable first, once per key, bounded, recovered.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

task<receipt> brief(order in) {
  auto done = co_await tool("charge").arg("id", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = done ? 1 : 0;
  co_return out;
}

task<receipt> naps(order in) {
  (void)co_await sleep(1s);
  receipt out;
  out.id = in.id;
  co_return out;
}

agent_stats stats_of(kit::stage& stage, const std::string& agent) {
  for (auto& a : ask<dispatcher_stats>(stage, stats_request{}).agents)
    if (a.agent == agent)
      return a;
  return {};
}

std::vector<std::shared_ptr<kit::answer>> invoke_many(kit::stage& stage, const char* agent, int n) {
  std::vector<std::shared_ptr<kit::answer>> all;
  for (int i = 0; i < n; ++i)
    all.push_back(stage.invoke(agent, one_order));
  return all;
}

bool all_ended(const std::vector<std::shared_ptr<kit::answer>>& all) {
  return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
}

} // namespace

TEST_CASE("what was acknowledged is there after any crash, the client may repeat", "[dispatcher]") {
  play("brief", brief);
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      std::string acknowledged;
      kit::answer last;
      for (std::uint64_t life = 0; life < 10 && !last.ended; ++life) {
        kit::stage stage{w, cast_of({"brief"}, 1 + life)};
        auto a = stage.invoke("brief", one_order, "same");
        stage.run_until([&] { return a->accepted || a->refused; });
        if (a->accepted) {
          CHECK((acknowledged.empty() || acknowledged == a->id));
          acknowledged = a->id;
        }
        stage.run_until([&] { return a->ended || a->refused; });
        if (!w.crashed)
          last = *a;
      }
      REQUIRE(last.ended);
      CHECK(w.effects["tool:charge"].size() == 1);
      kit::stage stage{w, cast_of({"brief"})};
      CHECK_FALSE(stage.record_of("2"));
    },
    true);
  WARN("accept: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("the same key gives the first one's answer: open, ended, and after a restart",
          "[dispatcher]") {
  play("naps", naps);
  kit::world w;
  std::string id;
  {
    kit::stage stage{w, cast_of({"naps"})};
    auto a = stage.invoke("naps", R"({"id":"x","amount":1})", "k");
    auto b = stage.invoke("naps", R"({ "amount": 1, "id": "x" })", "k");
    stage.run_until([&] { return a->ended && b->ended; });
    CHECK_FALSE(a->attached);
    CHECK(b->attached);
    CHECK(a->id == b->id);
    CHECK(*a->value == *b->value);
    auto c = stage.invoke("naps", R"({"id":"x","amount":1})", "k");
    stage.run_until([&] { return c->ended; });
    CHECK(c->attached);
    CHECK(c->id == a->id);
    id = a->id;
  }
  kit::stage stage{w, cast_of({"naps"})};
  auto d = stage.invoke("naps", R"({"id":"x","amount":1})", "k");
  stage.run_until([&] { return d->ended; });
  CHECK(d->id == id);
  CHECK(d->state == store::status::completed);
  CHECK_FALSE(stage.record_of("2"));
}

TEST_CASE("the same key with another input is a conflict, another agent's key is another key",
          "[dispatcher]") {
  play("naps", naps);
  play("brief", brief);
  kit::world w;
  kit::stage stage{w, cast_of({"naps", "brief"})};
  auto a = stage.invoke("naps", R"({"id":"x","amount":1})", "k");
  auto b = stage.invoke("naps", R"({"id":"x","amount":2})", "k");
  auto c = stage.invoke("brief", R"({"id":"x","amount":2})", "k");
  stage.run_until([&] { return a->ended && c->ended && b->refused; });
  CHECK(b->value.error().code == errc::key_conflict);
  auto d = stage.invoke("naps", R"({"id":"x","amount":2})", "k");
  stage.run_until([&] { return d->refused; });
  CHECK(d->value.error().code == errc::key_conflict);
}

TEST_CASE("one key from many clients at once begins one invocation, in any schedule",
          "[dispatcher]") {
  play("brief", brief);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    kit::world w;
    kit::stage stage{w, cast_of({"brief"}, seed)};
    std::vector<std::shared_ptr<kit::answer>> all;
    for (int i = 0; i < 20; ++i)
      all.push_back(stage.invoke("brief", one_order, "k"));
    stage.run_until([&] { return all_ended(all); });
    CHECK(all_ended(all));
    CHECK(w.total("tool:charge") == 1);
    CHECK_FALSE(stage.record_of("2"));
  }
}

TEST_CASE("above depth_max callers are told when to come back", "[dispatcher]") {
  play("naps", naps);
  auto o = cast_of({"naps"});
  o.agents.front().concurrency = 2;
  o.agents.front().depth_max = 5;
  o.agents.front().passivate_after = 0ms;
  kit::world w;
  kit::stage stage{w, o};
  auto all = invoke_many(stage, "naps", 10);
  stage.run_until([&] {
    return std::all_of(all.begin(), all.end(),
                       [](const auto& a) { return a->accepted || a->refused; });
  });
  auto refused = std::count_if(all.begin(), all.end(), [](const auto& a) { return a->refused; });
  CHECK(refused == 3);
  for (auto& a : all)
    if (a->refused) {
      CHECK(a->value.error().code == errc::overloaded);
      REQUIRE(a->value.error().retry_after);
      CHECK(*a->value.error().retry_after >= 1s);
      CHECK(*a->value.error().retry_after <= 60s);
    }
  CHECK(stats_of(stage, "naps").waiting == 5);
  CHECK(stats_of(stage, "naps").live == 2);
  stage.run(1min);
  CHECK(stats_of(stage, "naps").open == 0);
  auto late = invoke_many(stage, "naps", 1);
  stage.run_until([&] { return all_ended(late); });
  CHECK(late.front()->state == store::status::completed);
}

TEST_CASE("those that wait for a key count against depth_max", "[dispatcher]") {
  play_keyed("slow_key", [](order, ledger&) -> task<receipt> {
    (void)co_await sleep(1h);
    co_return receipt{};
  });
  auto o = cast_of({});
  o.agents.push_back(keyed("slow_key"));
  o.agents.front().depth_max = 3;
  kit::world w;
  kit::stage stage{w, o};
  auto all = invoke_many(stage, "slow_key", 10);
  stage.run(1min);
  CHECK(std::count_if(all.begin(), all.end(), [](const auto& a) { return a->accepted; }) == 4);
}

TEST_CASE("never more of an agent run than its concurrency", "[dispatcher]") {
  static int running = 0, most = 0;
  running = most = 0;
  play("counted", [](order) -> task<receipt> {
    ++running;
    most = std::max(most, running);
    (void)co_await tool("charge").call<std::string>();
    --running;
    co_return receipt{};
  });
  auto o = cast_of({"counted"});
  o.agents.front().concurrency = 7;
  kit::world w;
  kit::stage stage{w, o};
  auto all = invoke_many(stage, "counted", 50);
  stage.run_until([&] { return all_ended(all); });
  CHECK(all_ended(all));
  CHECK(most == 7);
}

TEST_CASE("a drain takes no new work and waits for what runs", "[dispatcher]") {
  play("naps", naps);
  play("sleeper", [](order) -> task<receipt> {
    (void)co_await sleep(100h);
    co_return receipt{};
  });
  kit::world w;
  kit::stage stage{w, cast_of({"naps", "sleeper"})};
  auto asleep = invoke_many(stage, "sleeper", 3);
  auto all = invoke_many(stage, "naps", 5);
  stage.run(100ms);
  auto done = stage.ask<drained>(drain_request{10s});
  stage.run(10ms);
  auto late = stage.invoke("naps", one_order);
  stage.run_until([&] { return late->refused; });
  CHECK(late->value.error().code == errc::shutting_down);
  stage.run_until([&] { return done->has_value(); });
  CHECK((*done)->left == 0);
  CHECK(all_ended(all));
}

TEST_CASE("a drain ends after its time and says what is left", "[dispatcher]") {
  play("busy", [](order) -> task<receipt> {
    (void)co_await tool("charge").call<std::string>();
    co_return receipt{};
  });
  auto o = cast_of({"busy"});
  on_call(o, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 20s; });
  kit::world w;
  kit::stage stage{w, o};
  invoke_many(stage, "busy", 4);
  stage.run(1s);
  auto begun = stage.now();
  auto done = stage.ask<drained>(drain_request{5s});
  stage.run_until([&] { return done->has_value(); });
  CHECK((*done)->left == 4);
  CHECK(stage.now() - begun >= 5s);
  CHECK(stage.now() - begun < 6s);
}

TEST_CASE("idle is told when nothing queues, runs or sleeps, what is stuck is counted",
          "[dispatcher]") {
  play("naps", naps);
  play("waits", [](order) -> task<receipt> {
    (void)co_await signal<raw_json>("go");
    co_return receipt{};
  });
  kit::world w;
  kit::stage stage{w, cast_of({"naps", "waits"})};
  invoke_many(stage, "naps", 5);
  auto waits = invoke_many(stage, "waits", 2);
  auto told = stage.ask<idle>(idle_request{});
  stage.run_until([&] { return told->has_value(); });
  REQUIRE(told->has_value());
  CHECK((*told)->stuck == 2);
  for (auto& a : waits)
    REQUIRE(signal_it(stage, a->id, "go"));
  stage.run_until([&] { return all_ended(waits); });
  CHECK(ask<idle>(stage, idle_request{}).stuck == 0);
}

TEST_CASE("what was open is taken up at the recovery rate", "[dispatcher]") {
  play("waits", [](order) -> task<receipt> {
    (void)co_await tool("charge").call<std::string>();
    co_return receipt{};
  });
  auto o = cast_of({"waits"});
  auto silent = o;
  on_call(silent, "tool:charge", [](kit::scripted_answer& a, std::uint32_t) { a.silent = true; });
  kit::world w;
  {
    kit::stage stage{w, silent};
    auto all = invoke_many(stage, "waits", 100);
    stage.run(1s);
    CHECK(w.calls["tool:charge"].size() == 100);
  }
  w.calls.clear();
  o.dispatcher.recovery_rate = 1'000;
  kit::stage stage{w, o};
  auto begun = stage.now();
  stage.run_until([&] { return w.calls["tool:charge"].size() == 100; });
  CHECK(stage.now() - begun >= 90ms);
  CHECK(stage.now() - begun <= 150ms);
}

TEST_CASE("an agent that is missing at a restart leaves its invocations as they are",
          "[dispatcher]") {
  play("naps", naps);
  kit::world w;
  {
    kit::stage stage{w, cast_of({"naps"})};
    auto a = stage.invoke("naps", one_order, "k");
    stage.run_until([&] { return a->accepted; });
  }
  {
    kit::stage stage{w, cast_of({"brief"})};
    stage.run(1min);
    CHECK(store::is_open(status_of(stage, "1")));
    await_invocation ask_for;
    ask_for.id = "1";
    auto reply = ask<invocation_reply>(stage, std::move(ask_for));
    CHECK(reply.value.error().code == errc::unavailable);
  }
  kit::stage stage{w, cast_of({"naps"})};
  CHECK(reaches(stage, "1", store::status::completed));
}

TEST_CASE("a child that is sent is on its own, one that is invoked is waited for", "[dispatcher]") {
  play("naps", naps);
  play("sends", [](order in) -> task<receipt> {
    auto id = co_await send("naps", in);
    auto gone = co_await send("nobody", in);
    auto none = co_await invoke<receipt>("nobody", in);
    receipt out;
    out.id = id.value_or("?");
    out.note = std::string{to_string(gone.error().code)} + to_string(none.error().code).data();
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"naps", "sends"})};
  auto a = stage.invoke("sends", one_order);
  stage.run_until([&] { return a->ended; });
  CHECK(receipt_of(*a).id == store::invocation_id(a->id.substr(0, a->id.find('-')), 2));
  CHECK(receipt_of(*a).note == "not_foundnot_found");
  CHECK(status_of(stage, "2") == store::status::running);
  CHECK(reaches(stage, "2", store::status::completed));
}

TEST_CASE("waiting for an ended invocation gives its outcome, also a failure's", "[dispatcher]") {
  play("fails", [](order) -> task<receipt> { co_return errc::failed; });
  kit::world w;
  kit::stage stage{w, cast_of({"fails"})};
  auto a = stage.invoke("fails", one_order);
  stage.run_until([&] { return a->ended; });
  await_invocation again;
  again.id = a->id;
  auto reply = ask<invocation_reply>(stage, std::move(again));
  CHECK(reply.state == store::status::failed);
  CHECK(reply.value.error().code == errc::failed);
  await_invocation nobody;
  nobody.id = "nobody-77";
  CHECK(ask<invocation_reply>(stage, std::move(nobody)).value.error().code == errc::not_found);
}

TEST_CASE("commands that come while what was open is being read wait for it", "[dispatcher]") {
  play("waits", [](order) -> task<receipt> {
    (void)co_await signal<raw_json>("go");
    co_return receipt{};
  });
  kit::world w;
  std::string id;
  {
    kit::stage stage{w, cast_of({"waits"})};
    auto a = stage.invoke("waits", one_order);
    stage.run(1min);
    id = a->id;
  }
  kit::stage stage{w, cast_of({"waits"})};
  CHECK(signal_it(stage, id, "go"));
  CHECK(reaches(stage, id, store::status::completed));
}

TEST_CASE("whoever waits is told at once when the dispatcher ends", "[dispatcher]") {
  play("naps", naps);
  kit::world w;
  kit::stage stage{w, cast_of({"naps"})};
  invoke_request r;
  r.agent = "naps";
  r.input = one_order;
  r.wait = true;
  auto reply = stage.ask<invocation_reply>(std::move(r));
  auto observed = stage.invoke("naps", one_order);
  auto idle_reply = stage.ask<idle>(idle_request{});
  stage.run(100ms);
  caf::anon_send_exit(stage.dispatcher(), caf::exit_reason::user_shutdown);
  stage.run(10ms);
  REQUIRE(reply->has_value());
  CHECK((*reply)->value.error().code == errc::shutting_down);
  CHECK(observed->ended);
  CHECK(observed->value.error().code == errc::shutting_down);
  CHECK(idle_reply->has_value());
}
