// Messages that were set aside: kept over restarts, until a person decides.
#include "actors/supervision/dead_letter_messages.hpp"
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <caf/send.hpp>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

bool cured = false;

task<receipt> sick(order in) {
  auto a = co_await tool("charge").call<std::string>();
  if (!a)
    co_return std::move(a).error();
  if (in.id == "poison" && !cured)
    throw std::runtime_error{"a bug"};
  receipt out;
  out.id = in.id;
  out.note = a.value();
  co_return out;
}

kit::stage_options ward() {
  cured = false;
  play("sick", sick);
  return cast_of({"sick"});
}

const std::string poison = R"({"id":"poison","amount":1})";

std::vector<store::letter> letters_of(kit::stage& stage) {
  return stage.log().store().letters(0, 100).value();
}

result<void> settle(kit::stage& stage, lsn id, bool retry) {
  return command(stage, letter_request{id, retry});
}

} // namespace

TEST_CASE("fault 46, poison input: it is quarantined, filed, and nobody else is affected") {
  kit::world world;
  std::string id;
  {
    kit::stage first{world, ward()};
    auto bad = first.invoke("sick", poison, "a");
    auto good = first.invoke("sick", one_order, "b");
    first.run_until([&] { return good->ended; });
    REQUIRE(reaches(first, bad->id, store::status::quarantined));
    id = bad->id;
  }
  kit::stage aut{world, ward()};
  aut.advance(1s);

  auto found = letters_of(aut);

  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == store::letter_kind::quarantined);
  CHECK(found[0].subject == "sick");
  CHECK(found[0].deaths == 3);
  CHECK(found[0].why == "a bug at -/0");
  CHECK(store::invocation_id(aut.log().store().tag(), found[0].invocation) == id);
  CHECK(world.total("tool:charge") == 2);
}

TEST_CASE("fault 6, a crash loop beyond intensity: poison invocations quarantine themselves alone") {
  kit::world world;
  kit::stage aut{world, ward()};
  std::vector<std::shared_ptr<kit::answer>> bad;
  std::vector<std::shared_ptr<kit::answer>> good;
  for (int i = 0; i < 50; ++i) {
    bad.push_back(aut.invoke("sick", poison));
    good.push_back(aut.invoke("sick", one_order));
  }

  aut.run_until([&] { return letters_of(aut).size() == 50; });

  CHECK(letters_of(aut).size() == 50);
  for (const auto& a : bad)
    CHECK(status_of(aut, a->id) == store::status::quarantined);
  for (const auto& a : good)
    CHECK(a->state == store::status::completed);
}

TEST_CASE("a quarantined invocation's letter is retried with its next run") {
  kit::world world;
  kit::stage aut{world, ward()};
  auto bad = aut.invoke("sick", poison, "a");
  REQUIRE(reaches(aut, bad->id, store::status::quarantined));
  cured = true;

  REQUIRE(settle(aut, letters_of(aut).at(0).id, true));
  aut.run_until([&] { return bad->ended; });

  CHECK(bad->state == store::status::completed);
  CHECK(letters_of(aut).empty());
  CHECK(world.total("tool:charge") == 1);
}

TEST_CASE("a quarantined invocation's letter is dropped with it") {
  kit::world world;
  kit::stage aut{world, ward()};
  auto bad = aut.invoke("sick", poison, "a");
  REQUIRE(reaches(aut, bad->id, store::status::quarantined));

  REQUIRE(settle(aut, letters_of(aut).at(0).id, false));
  aut.run_until([&] { return bad->ended; });

  CHECK(bad->state == store::status::cancelled);
  CHECK(letters_of(aut).empty());
}

TEST_CASE("troupe retry answers the letter as well") {
  kit::world world;
  kit::stage aut{world, ward()};
  auto bad = aut.invoke("sick", poison, "a");
  REQUIRE(reaches(aut, bad->id, store::status::quarantined));
  cured = true;

  REQUIRE(command(aut, retry_request{bad->id}));
  aut.run_until([&] { return bad->ended; });

  CHECK(letters_of(aut).empty());
}

TEST_CASE("an invocation that expires in the queue leaves a letter that begins it after all") {
  kit::world world;
  auto cast = ward();
  cast.agents[0].concurrency = 1;
  cast.agents[0].deadline = 5s;
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t nth) {
    a.latency = nth == 0 ? 4900ms : 1ms;
    a.silent = nth == 0;
  });
  kit::stage aut{world, cast};
  auto slow = aut.invoke("sick", one_order, "a");
  aut.run_until([&] { return slow->accepted; });
  auto late = aut.invoke("sick", one_order, "b");
  aut.run_until([&] { return late->ended; });
  REQUIRE(late->value.error().code == errc::deadline_exceeded);
  auto found = letters_of(aut);
  REQUIRE(found.size() == 1);
  CHECK(found[0].kind == store::letter_kind::expired);

  REQUIRE(settle(aut, found[0].id, true));
  REQUIRE(reaches(aut, late->id, store::status::completed));

  CHECK(letters_of(aut).empty());
}

TEST_CASE("a call that a service has set aside is filed, shown and dropped") {
  kit::world world;
  kit::stage aut{world, ward()};
  auto a = aut.invoke("sick", one_order, "a");
  aut.run_until([&] { return a->ended; });
  file_letter f;
  f.what.kind = store::letter_kind::poisoned;
  f.what.subject = "tool:charge";
  f.what.key = "k";
  f.what.body = std::string(5'000, 'x');
  f.what.why = "stoi";
  f.what.deaths = 3;
  f.invocation = a->id;
  caf::anon_send(aut.dispatcher(), f);
  aut.advance(1s);

  auto found = letters_of(aut);
  REQUIRE(found.size() == 1);
  CHECK(found[0].body.size() == 1'024);
  CHECK(settle(aut, found[0].id + 100, false).error().code == errc::not_found);

  REQUIRE(settle(aut, found[0].id, false));
  CHECK(letters_of(aut).empty());
}

TEST_CASE("letters about expired calls are bounded") {
  kit::world world;
  kit::stage aut{world, ward()};
  file_letter f;
  f.what.kind = store::letter_kind::expired;
  f.what.subject = "tool:charge";
  for (int i = 0; i < 500; ++i)
    caf::anon_send(aut.dispatcher(), f);
  aut.advance(100ms);

  CHECK(letters_of(aut).size() == 100);
}

TEST_CASE("a letter and its quarantine are one commit wherever the machine dies", "[sweep]") {
  kit::for_each_crash_point([](kit::world& w) {
    for (bool alive = false; !alive;) {
      kit::stage stage{w, ward()};
      auto a = stage.invoke("sick", poison, "k");
      stage.run_until([&] {
        return a->accepted && status_of(stage, a->id) == store::status::quarantined;
      }, 10min);
      alive = !w.crashed;
      if (alive)
        CHECK(letters_of(stage).size() == 1);
    }
    CHECK(w.effects["tool:charge"].size() == 1);
  });
}
