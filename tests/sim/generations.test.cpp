// Checkpoints: `continue_as` ends a generation and begins the next one.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

kit::answer run_one(kit::stage& stage, const std::string& agent,
                    const std::string& input = one_order) {
  auto a = stage.invoke(agent, input, "k");
  stage.run_until([&] { return a->ended || a->refused; });
  return *a;
}

} // namespace

TEST_CASE("the journal of the last five generations is kept", "[generations]") {
  play("rounds", [](order in) -> task<receipt> {
    (void)co_await tool("charge").arg("round", in.amount).call<std::string>();
    if (in.amount++ < 20)
      co_return continue_as(in);
    receipt out;
    out.id = in.id;
    out.steps = in.amount;
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"rounds"})};
  auto a = run_one(stage, "rounds");

  CHECK(receipt_of(a).steps == 21);
  CHECK(entries_of<journal::started>(stage, a.id).size() == 1);
  CHECK(entries_of<journal::generation_began>(stage, a.id).size() == 5);
  CHECK(entries_of<journal::command>(stage, a.id).size() == 5);
  CHECK(stage.record_of(a.id)->generation == 19);
}

TEST_CASE("the window is over generations that were begun before a crash as well",
          "[generations][sweep]") {
  play("rounds", [](order in) -> task<receipt> {
    (void)co_await tool("charge").arg("round", in.amount).call<std::string>();
    if (in.amount++ < 9)
      co_return continue_as(in);
    receipt out;
    out.id = in.id;
    out.steps = in.amount;
    co_return out;
  });
  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      auto a = drive(w, cast_of({"rounds"}), "rounds", one_order, "k");
      CHECK(receipt_of(a).steps == 10);
      CHECK(w.effects["tool:charge"].size() == 9);
      kit::stage stage{w, cast_of({"rounds"})};
      CHECK(entries_of<journal::generation_began>(stage, a.id).size() == 5);
    },
    true);
  WARN("generations: " << report.crash_points << " crash points, " << report.runs << " runs");
}

TEST_CASE("signals that nobody has consumed go into the next generation", "[generations][sweep]") {
  play("collects", [](order in) -> task<receipt> {
    if (in.amount < 10) {
      (void)co_await tool("charge").arg("round", in.amount++).call<std::string>();
      if (in.amount == 5)
        (void)co_await signal<raw_json>("half");
      co_return continue_as(in);
    }
    auto first = co_await signal<std::string>("note");
    auto second = co_await signal<std::string>("note");
    receipt out;
    out.id = in.id;
    out.note = first.value_or("?") + second.value_or("?");
    co_return out;
  });
  auto report = kit::for_each_crash_point([](kit::world& w) {
    kit::answer last;
    std::size_t told = 0;
    const std::vector<std::pair<std::string, std::string>> mail{
      {"note", R"("a")"}, {"note", R"("b")"}, {"half", "null"}};
    for (std::uint64_t life = 0; life < 30 && !last.ended; ++life) {
      kit::stage stage{w, cast_of({"collects"}, 5 + life)};
      auto a = stage.invoke("collects", one_order, "k");
      stage.run_until([&] { return a->accepted || a->refused; });
      // Each is repeated until it is acknowledged.
      while (!w.crashed && a->accepted && told < mail.size())
        if (signal_it(stage, a->id, mail[told].first, mail[told].second))
          ++told;
      stage.run_until([&] { return a->ended; }, 10min);
      if (!w.crashed && a->ended)
        last = *a;
    }
    REQUIRE(last.ended);
    auto note = receipt_of(last).note;
    // A signal whose acknowledgement was lost may stand there twice.
    CHECK((note == "ab" || note == "aa"));
  });
  WARN("signals over generations: " << report.runs << " runs");
}

TEST_CASE("a generation that grows too long warns, then fails and names continue_as",
          "[generations]") {
  play("endless", [](order) -> task<receipt> {
    for (;;)
      (void)co_await now();
  });
  play("busy", [](order) -> task<receipt> {
    for (;;)
      (void)co_await tool("look").call<raw_json>();
  });
  auto o = cast_of({"endless", "busy"});
  o.invocations.entries_warn = 20;
  o.invocations.entries_max = 100;
  kit::world w;
  kit::stage stage{w, o};
  auto a = run_one(stage, "busy");

  CHECK(a.state == store::status::failed);
  CHECK(a.value.error().code == errc::output_too_large);
  CHECK(a.value.error().message.find("entries_max") != std::string::npos);
  CHECK(a.value.error().message.find("continue_as") != std::string::npos);
  auto warned = std::count_if(stage.trace().begin(), stage.trace().end(), [](const auto& line) {
    return line.find("journal.generation_long") != std::string::npos;
  });
  CHECK(warned == 1);
}

TEST_CASE("what patched has answered is carried into the next generation", "[generations]") {
  play("old", [](order in) -> task<receipt> {
    (void)co_await tool("charge").arg("n", in.amount).call<std::string>();
    (void)co_await signal<raw_json>("go");
    co_return continue_as(in);
  });
  kit::world w;
  std::string id;
  {
    kit::stage stage{w, cast_of({"old"})};
    auto a = stage.invoke("old", one_order, "k");
    stage.run(1min);
    id = a->id;
  }
  // The new code asks where the old one had been already: false, here and in all generations.
  play("old", [](order in) -> task<receipt> {
    auto fixed = co_await patched("fix-1");
    (void)co_await tool("charge").arg("n", in.amount).call<std::string>();
    auto newer = co_await patched("fix-2");
    if (in.amount == 1)
      (void)co_await signal<raw_json>("go");
    if (in.amount++ < 8)
      co_return continue_as(in);
    receipt out;
    out.note = std::string{fixed ? "fixed " : "old "} + (newer ? "newer" : "older");
    co_return out;
  });
  kit::stage stage{w, cast_of({"old"})};
  REQUIRE(signal_it(stage, id, "go"));
  REQUIRE(reaches(stage, id, store::status::completed));
  auto end = entries_of<journal::ended>(stage, id).back();
  CHECK(from_json<receipt>(end.value.text).value().note == "old older");
}
