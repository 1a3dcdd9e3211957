// Effects that need nobody else: recorded time, chance, events and patches.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <regex>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// What the first life saw must be what the last one reports.
task<receipt> sees(order in) {
  auto when = co_await now();
  auto dice = co_await troupe::random();
  auto name = co_await uuid();
  auto text = std::to_string(when.time_since_epoch().count()) + " " + std::to_string(dice) + " "
              + name;
  auto first = co_await tool("charge").arg("saw", text).call<std::string>();
  auto slept = co_await sleep(1h);
  auto second = co_await tool("post").arg("saw", text).call<std::string>();
  auto later = co_await now();
  receipt out;
  out.id = in.id;
  out.note = text;
  out.steps = first && slept && second && later - when >= 1h;
  co_return out;
}

} // namespace

TEST_CASE("time, chance and uuids are what they were, over a crash at every boundary",
          "[locals][sweep]") {
  play("sees", sees);
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive(w, cast_of({"sees"}), "sees", one_order);
      auto r = receipt_of(a);
      CHECK(r.steps == 1);
      CHECK(w.bodies["tool:charge"].begin()->second == R"({"saw":")" + r.note + "\"}");
      CHECK(w.bodies["tool:post"].begin()->second == R"({"saw":")" + r.note + "\"}");
      CHECK(w.most("tool:post") == 1);
      std::regex v4{"[0-9]+ [0-9]+ [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                    "[0-9a-f]{12}"};
      CHECK(std::regex_match(r.note, v4));
    },
    true);
  WARN("locals: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("local effects cost no commit, and emitted events are told once durable",
          "[locals]") {
  play("chatty", [](order in) -> task<receipt> {
    for (int i = 0; i < 100; ++i) {
      auto n = co_await troupe::random();
      co_await emit(n % 2);
    }
    receipt out;
    out.id = in.id;
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"chatty"})};
  auto before = w.disk->commits();
  auto a = stage.invoke("chatty", one_order);
  stage.run_until([&] { return a->ended; });
  CHECK(w.disk->commits() - before <= 2);
  CHECK(entries_of<journal::local>(stage, a->id).size() == 200);
}

TEST_CASE("whoever follows is told when events of a running agent are durable", "[locals]") {
  play("reports", [](order) -> task<receipt> {
    co_await emit(std::string{"half"});
    (void)co_await signal<raw_json>("go");
    co_return receipt{};
  });
  struct follower final : invocation_observer {
    void on_accepted(const std::string&, bool) override {}
    void on_ended(const std::string&, const outcome&) override {}
    void on_refused(const error&) override {}
    void on_progress() override { seen.push_back(look()); }
    std::function<std::size_t()> look;
    std::vector<std::size_t> seen;
  };
  kit::world w;
  kit::stage stage{w, cast_of({"reports"})};
  auto f = std::make_shared<follower>();
  f->look = [&] { return entries_of<journal::local>(stage, "1").size(); };
  invoke_request r;
  r.agent = "reports";
  r.input = one_order;
  r.observer = f;
  caf::anon_send(stage.dispatcher(), std::move(r));
  stage.run(1min);
  REQUIRE_FALSE(f->seen.empty());
  CHECK(f->seen.back() == 1);
}

TEST_CASE("patched is true for those that come after the change, false for those before",
          "[locals][sweep]") {
  body_agent::body before = [](order in) -> task<receipt> {
    auto a = co_await tool("charge").call<std::string>();
    auto slept = co_await sleep(1h);
    auto b = co_await tool("post").call<std::string>();
    receipt out;
    out.id = in.id;
    out.note = "old";
    out.steps = a && slept && b;
    co_return out;
  };
  body_agent::body after = [](order in) -> task<receipt> {
    auto a = co_await tool("charge").call<std::string>();
    auto slept = co_await sleep(1h);
    bool fix = co_await patched("check first");
    if (fix)
      (void)co_await tool("look").call<std::string>();
    auto b = co_await tool("post").call<std::string>();
    bool again = co_await patched("check first");
    receipt out;
    out.id = in.id;
    out.note = fix && again ? "new" : fix == again ? "old" : "torn";
    out.steps = a && slept && b;
    co_return out;
  };
  auto report = kit::for_each_crash_point(
    [&](kit::world& w) {
      // The change is deployed with the first restart.
      play("fixed", before);
      kit::answer last;
      for (std::uint64_t life = 0; life < 20 && !last.ended; ++life) {
        kit::stage stage{w, cast_of({"fixed"}, 1 + life)};
        auto a = stage.invoke("fixed", one_order, "k");
        stage.run_until([&] { return a->ended || a->refused; }, 3h);
        if (!w.crashed)
          last = *a;
        play("fixed", after);
      }
      REQUIRE(last.state == store::status::completed);
      CHECK(receipt_of(last).note != "torn");
      CHECK(receipt_of(last).steps == 1);
      CHECK(w.most("tool:post") == 1);
    },
    true);
  WARN("patched: " << report.crash_points << " crash points, " << report.runs << " runs");
}
