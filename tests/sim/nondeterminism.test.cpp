// Code that asks for something else than the journal holds.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// Lives one life of the old code up to its approval, then one of the new; and says how it stands.
struct deployed {
  explicit deployed(body_agent::body before, body_agent::body after) {
    play("deployed", before);
    {
      kit::stage stage{w, options()};
      auto a = stage.invoke("deployed", one_order, "k");
      REQUIRE(reaches(stage, "1", store::status::suspended));
      id = a->id;
    }
    play("deployed", after);
  }
  static kit::stage_options options() {
    auto o = cast_of({"deployed"});
    o.services.push_back(service("llm:fast", effect_class::read));
    o.services.back().answer = [](const call_request&, std::uint32_t) {
      kit::scripted_answer a;
      a.value = R"({"text":"hello","input_tokens":1,"output_tokens":1})";
      return a;
    };
    return o;
  }
  // The approval, after which the replay has to match.
  void go_on(kit::stage& stage) { REQUIRE(signal_it(stage, id, "approve")); }

  std::string paused_with() {
    kit::stage stage{w, options()};
    go_on(stage);
    REQUIRE(reaches(stage, id, store::status::paused, 1min));
    auto notes = notes_of(stage, id, "paused");
    return notes.empty() ? std::string{} : notes.back();
  }

  kit::world w;
  std::string id;
};

task<receipt> original(order in) {
  auto found = co_await tool("look").arg("q", "x").call<std::string>();
  auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
  auto words = co_await llm("fast").complete("say hello");
  auto yes = co_await signal<raw_json>("approve");
  auto posted = co_await tool("post").arg("id", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.steps = found && charged && words && yes && posted;
  co_return out;
}

} // namespace

TEST_CASE("another tool at a recorded address pauses, with both sides shown", "[nondeterminism]") {
  deployed d{original, [](order) -> task<receipt> {
    (void)co_await tool("post").call<std::string>();
    co_return receipt{};
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for tool \"post\" at -/0, the journal holds )"
           R"(tool \"look\" at -/0")");
  CHECK(d.w.total("tool:post") == 0);
}

TEST_CASE("another kind of effect pauses", "[nondeterminism]") {
  deployed d{original, [](order) -> task<receipt> {
    (void)co_await sleep(1s);
    co_return receipt{};
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for sleep \"\" at -/0, the journal holds )"
           R"(tool \"look\" at -/0")");
}

TEST_CASE("another argument of an effect that changes the world pauses", "[nondeterminism]") {
  deployed d{original, [](order in) -> task<receipt> {
    (void)co_await tool("look").arg("q", "x").call<std::string>();
    (void)co_await tool("charge").arg("id", in.id + "!").call<std::string>();
    co_return receipt{};
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for tool \"charge\" at -/1 with other arguments, )"
           R"(the journal holds tool \"charge\" at -/1")");
  CHECK(d.w.total("tool:charge") == 1);
}

TEST_CASE("an effect more pauses", "[nondeterminism]") {
  deployed d{original, [](order in) -> task<receipt> {
    (void)co_await tool("look").arg("q", "x").call<std::string>();
    auto when = co_await now();
    (void)when;
    (void)co_await tool("charge").arg("id", in.id).call<std::string>();
    co_return receipt{};
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for now at -/1, the journal holds tool \"charge\" )"
           R"(at -/1")");
}

TEST_CASE("an effect less pauses", "[nondeterminism]") {
  deployed d{original, [](order in) -> task<receipt> {
    (void)co_await tool("look").arg("q", "x").call<std::string>();
    (void)co_await tool("charge").arg("id", in.id).call<std::string>();
    receipt out;
    out.id = in.id;
    co_return out;
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for the end of run(), the journal holds )"
           R"(model \"fast\" at -/2")");
}

TEST_CASE("code that waits for less than the journal holds pauses", "[nondeterminism]") {
  deployed d{[](order) -> task<receipt> {
               auto both = co_await when_all(tool("charge").call<raw_json>(), sleep(20ms));
               (void)co_await signal<raw_json>("approve");
               receipt out;
               out.steps = std::get<0>(both) ? 1 : 0;
               co_return out;
             },
             [](order) -> task<receipt> {
               auto first = co_await tool("charge").call<raw_json>();
               receipt out;
               out.steps = first ? 1 : 0;
               co_return out;
             }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for tool \"charge\" at -/0, the journal holds )"
           R"(tool \"charge\" at 0.0/0")");
}

TEST_CASE("continue_as where the journal goes on pauses", "[nondeterminism]") {
  deployed d{original, [](order in) -> task<receipt> {
    (void)co_await tool("look").arg("q", "x").call<std::string>();
    co_return continue_as(in);
  }};
  CHECK(d.paused_with()
        == R"("nondeterministic: the code asks for continue_as, the journal holds )"
           R"(tool \"charge\" at -/1")");
}

TEST_CASE("another prompt or another question is drift: noted once, and no reason to stop",
          "[nondeterminism]") {
  deployed d{original, [](order in) -> task<receipt> {
    auto found = co_await tool("look").arg("q", "x, please").call<std::string>();
    auto charged = co_await tool("charge").arg("id", in.id).call<std::string>();
    auto words = co_await llm("fast").complete("say hello, friend");
    (void)co_await signal<raw_json>("approve");
    (void)co_await signal<raw_json>("again");
    auto posted = co_await tool("post").arg("id", in.id).call<std::string>();
    receipt out;
    out.id = in.id;
    out.note = words ? words->text : "";
    out.steps = found && charged && posted;
    co_return out;
  }};
  for (int life = 0; life < 3; ++life) {
    kit::stage stage{d.w, deployed::options()};
    if (life == 0)
      d.go_on(stage);
    stage.run(5min);
    CHECK(status_of(stage, d.id) == store::status::suspended);
  }
  kit::stage stage{d.w, deployed::options()};
  REQUIRE(signal_it(stage, d.id, "again"));
  REQUIRE(reaches(stage, d.id, store::status::completed));
  auto end = entries_of<journal::ended>(stage, d.id).back();
  CHECK(from_json<receipt>(end.value.text).value().note == "hello");
  CHECK(notes_of(stage, d.id, "drift")
        == std::vector<std::string>{R"("tool \"look\" at -/0")", R"("model \"fast\" at -/2")"});
  CHECK(d.w.total("tool:look") == 1);
}

TEST_CASE("a retry after the code was put right goes on where it was", "[nondeterminism]") {
  deployed d{original, [](order) -> task<receipt> {
    (void)co_await tool("fire").call<std::string>();
    co_return receipt{};
  }};
  d.paused_with();
  play("deployed", original);
  kit::stage stage{d.w, deployed::options()};
  // A restart looks again by itself: perhaps the code was put right.
  REQUIRE(reaches(stage, d.id, store::status::completed));
  CHECK(d.w.total("tool:charge") == 1);
  CHECK(d.w.total("tool:post") == 1);
  CHECK(d.w.total("tool:fire") == 0);
}

TEST_CASE("a paused invocation is retried within the same process", "[nondeterminism]") {
  deployed d{original, [](order) -> task<receipt> {
    (void)co_await tool("fire").call<std::string>();
    co_return receipt{};
  }};
  kit::stage stage{d.w, deployed::options()};
  d.go_on(stage);
  REQUIRE(reaches(stage, d.id, store::status::paused));
  play("deployed", original);
  CHECK(command(stage, retry_request{d.id}));
  REQUIRE(reaches(stage, d.id, store::status::completed));
  CHECK(d.w.total("tool:charge") == 1);
  CHECK(d.w.calls["tool:post"] == std::vector<std::string>{d.id + "/1/0/-/4"});
}
