// Effects that the other sweeps leave out: models, own steps of each class, business keys, and a
// lost outcome that only a person can settle.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

task<receipt> thinks(order in) {
  auto said = co_await llm("fast").ask<receipt>("What about " + in.id + "?");
  if (!said)
    co_return std::move(said).error();
  auto words = co_await llm("fast").complete("In a word?");
  auto paid = co_await tool("charge").arg("note", said->note).key("once-" + in.id)
                .call<std::string>();
  if (!words || !paid)
    co_return errc::failed;
  co_return *said;
}

/// How often each step has run, over all lives: what a step of its class may do twice.
struct steps_done {
  int pure = 0;
  int read = 0;
  int idempotent = 0;
};
steps_done steps;

task<receipt> steps_along(order in) {
  auto a = co_await run("pure", effect_class::pure, [] { return ++steps.pure; });
  auto b = co_await run("read", effect_class::read, [] { return ++steps.read; });
  auto c = co_await run("idempotent", effect_class::idempotent, [] { return ++steps.idempotent; });
  receipt out;
  out.id = in.id;
  out.steps = (a.value_or(0) > 0) + (b.value_or(0) > 0) + (c.value_or(0) > 0);
  co_return out;
}

task<receipt> fires(order in) {
  auto done = co_await tool("fire").arg("id", in.id).call<std::string>();
  receipt out;
  out.id = in.id;
  out.note = done ? *done : to_string(done.error().code);
  co_return out;
}

kit::stage_options cast() {
  play("thinks", thinks);
  play("steps_along", steps_along);
  play("fires", fires);
  auto o = cast_of({"thinks", "steps_along", "fires"}, 5);
  o.services.push_back(service("llm:fast", effect_class::read));
  o.services.back().answer = [](const call_request& r, std::uint32_t) {
    if (r.body.find("In a word") != r.body.npos)
      return kit::says_json(R"({"text":"fine","input_tokens":4,"output_tokens":1})");
    return kit::says_json(R"({"id":"T-1","note":"thought","steps":1})");
  };
  return o;
}

} // namespace

TEST_CASE("models and business keys survive a crash at every boundary, twice", "[sweep]") {
  kit::sweep_options how;
  how.twice = true;

  auto report = kit::for_each_crash_point(
    [](kit::world& w) {
      auto said = kit::run_to_answer(w, cast(), "thinks", one_order, "client-key");
      CHECK(w.effects["tool:charge"].contains("once-T-1"));
      return said;
    },
    how);

  CHECK(report.crash_points > 10);
}

TEST_CASE("own steps of each class survive a crash at every boundary", "[sweep]") {
  kit::for_each_crash_point([](kit::world& w) {
    steps = {};
    return kit::run_to_answer(w, cast(), "steps_along", one_order, "client-key");
  });
}

TEST_CASE("a lost outcome that a person settles is settled over a crash at every boundary",
          "[sweep]") {
  auto scenario = [](kit::world& w) -> std::string {
    for (int life = 0; life < 20; ++life) {
      kit::stage stage{w, cast()};
      auto a = stage.invoke("fires", one_order, "client-key");
      auto parks = [&] { return a->accepted && status_of(stage, a->id) == store::status::parked; };
      stage.run_until([&] { return a->ended || parks(); });
      if (!w.crashed && !a->ended)
        (void)resolve_it(stage, a->id, journal::verdict::done, R"("did tool:fire")");
      stage.run_until([&] { return a->ended; }, 1min);
      if (!w.crashed && a->ended)
        return *a->value;
    }
    throw kit::failure{"no end"};
  };
  kit::sweep_options how;
  how.promises = false; // what a person says was done need not have been

  auto report = kit::for_each_crash_point(scenario, how);

  CHECK(report.kinds[static_cast<std::size_t>(kit::crash_kind::after_effect)] == 1);
}
