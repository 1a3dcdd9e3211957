// Business keys: one action, however many ask for it, whoever dies.
#include "tests/kit/explore.hpp"
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// The amount is the tool's argument and the id its key: two orders with one id are one action.
template <const char* Tool>
task<receipt> refund(order in) {
  auto done = co_await tool(Tool).arg("sum", in.amount).key("order-" + in.id).call<std::string>();
  if (!done)
    co_return std::move(done).error();
  receipt r;
  r.id = in.id;
  r.note = *done;
  co_return r;
}

constexpr char charge[] = "charge";
constexpr char post[] = "post";
constexpr char fire[] = "fire";

kit::stage_options desks(std::uint64_t seed = 1) {
  play("by_mail", refund<charge>);
  play("by_phone", refund<charge>);
  play("by_post", refund<post>);
  play("by_letter", refund<post>);
  play("by_fire", refund<fire>);
  return cast_of({"by_mail", "by_phone", "by_post", "by_letter", "by_fire"}, seed);
}

std::string order_of(int amount, const std::string& id = "7") {
  return R"({"id":")" + id + R"(","amount":)" + std::to_string(amount) + "}";
}

using answers = std::vector<std::shared_ptr<kit::answer>>;

bool all_ended(const answers& all) {
  return std::all_of(all.begin(), all.end(),
                     [](const auto& a) { return a->ended || a->refused; });
}

} // namespace

TEST_CASE("a second agent with the same business key gets the first one's answer") {
  kit::world world;
  kit::stage aut{world, desks()};
  auto first = aut.invoke("by_mail", order_of(5));
  aut.run_until([&] { return first->ended; });

  auto second = aut.invoke("by_phone", order_of(5));
  aut.run_until([&] { return second->ended; });

  CHECK(receipt_of(*second).note == receipt_of(*first).note);
  CHECK(world.total("tool:charge") == 1);
  CHECK(world.effects["tool:charge"].begin()->first == "order-7");
  CHECK(entries_of<journal::answered_by>(aut, second->id).size() == 1);
}

TEST_CASE("the same business key with other arguments is a key conflict from any agent") {
  kit::world world;
  kit::stage aut{world, desks()};
  auto first = aut.invoke("by_mail", order_of(5));
  aut.run_until([&] { return first->ended; });

  auto second = aut.invoke("by_phone", order_of(6));
  aut.run_until([&] { return second->ended; });

  REQUIRE(second->state == store::status::failed);
  CHECK(second->value.error().code == errc::key_conflict);
  CHECK_THAT(second->value.error().message, Contains(first->id));
  CHECK(world.total("tool:charge") == 1);
}

TEST_CASE("a business key is known after a restart and forgotten after its time") {
  kit::world world;
  {
    kit::stage first{world, desks()};
    auto a = first.invoke("by_mail", order_of(5));
    first.run_until([&] { return a->ended; });
  }
  kit::stage aut{world, desks(2)};
  auto again = aut.invoke("by_phone", order_of(5));
  aut.run_until([&] { return again->ended; });
  CHECK(world.total("tool:charge") == 1);

  aut.advance(25h);
  auto late = aut.invoke("by_phone", order_of(6));
  aut.run_until([&] { return late->ended; });

  CHECK(late->state == store::status::completed);
  CHECK(world.total("tool:charge") == 2);
}

TEST_CASE("a hundred callers race for one business key and one effect happens") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    kit::world world;
    auto cast = desks(seed);
    for (auto name : {"by_mail", "by_phone"})
      for (auto& a : cast.agents)
        if (a.name == name)
          a.concurrency = 200;
    kit::stage aut{world, cast};
    answers all;
    for (int i = 0; i < 100; ++i)
      all.push_back(aut.invoke(i % 2 == 0 ? "by_mail" : "by_phone", order_of(5)));
    aut.run_until([&] { return all_ended(all); });

    CHECK(world.calls["tool:charge"].size() == 1);
    for (const auto& a : all)
      CHECK(a->state == store::status::completed);
  }
}

TEST_CASE("a definite failure is everybody's who waited, and then the key is free again") {
  kit::world world;
  auto cast = desks();
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t nth) {
    a.latency = 50ms;
    if (nth > 0)
      return;
    a.effect = false;
    a.value = error{errc::failed, "card declined"};
  });
  kit::stage aut{world, cast};
  answers all{aut.invoke("by_mail", order_of(5)), aut.invoke("by_phone", order_of(5))};
  aut.run_until([&] { return all_ended(all); });
  for (const auto& a : all)
    CHECK(a->value.error().message == "card declined");
  CHECK(world.calls["tool:charge"].size() == 1);

  auto later = aut.invoke("by_phone", order_of(5));
  aut.run_until([&] { return later->ended; });

  CHECK(later->state == store::status::completed);
  CHECK(world.total("tool:charge") == 1);
}

TEST_CASE("an unknown outcome of an idempotent call is settled by the next who names the key") {
  kit::world world;
  auto cast = desks();
  on_call(cast, "tool:charge", [](kit::scripted_answer& a, std::uint32_t nth) {
    if (nth == 0)
      a.value = error{errc::timed_out, "no answer", certainty::unknown};
  });
  kit::stage aut{world, cast};
  auto first = aut.invoke("by_mail", order_of(5));
  aut.run_until([&] { return first->ended; });
  CHECK(first->value.error().outcome == certainty::unknown);

  auto second = aut.invoke("by_phone", order_of(5));
  aut.run_until([&] { return second->ended; });

  CHECK(second->state == store::status::completed);
  CHECK(world.effects["tool:charge"].size() == 1);
}

TEST_CASE("who waits for a parked business key gets what the person decides") {
  kit::world world;
  auto cast = desks();
  on_call(cast, "tool:fire", [](kit::scripted_answer& a, std::uint32_t) {
    a.value = error{errc::timed_out, "no answer", certainty::unknown};
  });
  kit::stage aut{world, cast};
  auto first = aut.invoke("by_fire", order_of(5));
  reaches(aut, first->id, store::status::parked);
  auto second = aut.invoke("by_fire", order_of(5));
  aut.advance(1h);
  CHECK_FALSE(second->ended);

  REQUIRE(resolve_it(aut, first->id, journal::verdict::done, "\"seen on the statement\""));
  aut.run_until([&] { return first->ended && second->ended; });

  CHECK(receipt_of(*second).note == "seen on the statement");
  CHECK(world.calls["tool:fire"].size() == 1);
}

TEST_CASE("a key whose owner was aborted in doubt is asked about by the next one") {
  kit::world world;
  auto cast = desks();
  on_call(cast, "tool:post", [](kit::scripted_answer& a, std::uint32_t) {
    a.value = error{errc::timed_out, "no answer", certainty::unknown};
  });
  auto& s = find_service(cast, "tool:post");
  auto asked = std::make_shared<int>(0);
  s.reconcile = [asked](const reconcile_request&) {
    return ++*asked == 1 ? reconcile_reply{reconcile_state::unknown, "the log was rotated"}
                         : reconcile_reply{reconcile_state::done, "\"found\""};
  };
  kit::stage aut{world, cast};
  auto first = aut.invoke("by_post", order_of(5));
  reaches(aut, first->id, store::status::parked);
  REQUIRE(resolve_it(aut, first->id, journal::verdict::abort));
  aut.run_until([&] { return first->ended; });

  auto second = aut.invoke("by_letter", order_of(5));
  aut.run_until([&] { return second->ended; });

  CHECK(receipt_of(*second).note == "found");
  CHECK(world.calls["tool:post"].size() == 1);
}

TEST_CASE("a claim that its owner leaves behind is taken over when its lease is over") {
  kit::world world;
  auto cast = desks();
  play("deadly", [](order in) -> task<receipt> {
    auto both = co_await tool("charge").arg("sum", in.amount).key("order-7").call<std::string>();
    throw std::runtime_error("poison");
    co_return std::move(both).error();
  });
  cast.agents.push_back(named("deadly"));
  bool silent = true;
  on_call(cast, "tool:charge",
          [&silent](kit::scripted_answer& a, std::uint32_t) { a.silent = silent; });
  {
    kit::stage first{world, cast};
    first.invoke("deadly", order_of(5));
    first.run_until([&] { return world.calls["tool:charge"].size() == 1; });
  }
  cast.agents.pop_back(); // its owner is not in this topology any more
  silent = false;
  kit::stage aut{world, cast};

  auto second = aut.invoke("by_mail", order_of(5));
  aut.run_until([&] { return second->ended; });

  CHECK(second->state == store::status::completed);
  CHECK(world.effects["tool:charge"].size() == 1);
}

TEST_CASE("a call without a business key costs the one commit that it did") {
  auto plain = [](order) -> task<receipt> {
    auto done = co_await tool("charge").arg("sum", 1).call<std::string>();
    co_return receipt{};
  };
  play("plain", plain);
  kit::world world;
  kit::stage aut{world, cast_of({"plain"})};
  auto a = aut.invoke("plain", one_order);
  auto before = world.disk->commits();

  aut.run_until([&] { return a->ended; });

  CHECK(world.disk->commits() - before == 2); // accepted with the command; completed with the end
}

TEST_CASE("a failed commit frees nobody's key and the answer is one") {
  kit::world world;
  auto cast = desks();
  cast.services[1].info.cls = effect_class::idempotent;
  kit::stage aut{world, cast};
  auto first = aut.invoke("by_mail", order_of(5), "a");
  aut.run_until([&] { return first->accepted; });
  world.fail_commits = true;
  aut.advance(500ms);
  world.fail_commits = false;
  aut.advance(10s);

  auto a = aut.invoke("by_mail", order_of(5), "a");
  auto b = aut.invoke("by_phone", order_of(5), "b");
  aut.run_until([&] { return a->ended && b->ended; });

  CHECK(a->state == store::status::completed);
  CHECK(b->state == store::status::completed);
  CHECK(world.effects["tool:charge"].size() == 1);
}

TEST_CASE("one business key is one effect wherever the machine dies", "[sweep]") {
  auto tools = {std::pair{"by_mail", "tool:charge"}, {"by_post", "tool:post"}};
  for (const auto& [agent, service] : tools) {
    auto report = kit::for_each_crash_point([&, agent = agent, service = service](kit::world& w) {
      for (bool alive = false; !alive;) {
        kit::stage stage{w, desks()};
        answers all{stage.invoke(agent, order_of(5), "k1"), stage.invoke(agent, order_of(5), "k2")};
        stage.run_until([&] { return all_ended(all); });
        alive = !w.crashed;
        if (alive)
          for (const auto& a : all)
            CHECK(receipt_of(*a).note == "did " + std::string{service});
      }
      CHECK(w.effects[service].size() == 1);
      if (service == std::string{"tool:post"})
        CHECK(w.total(service) == 1);
    }, true);
    CHECK(report.crash_points >= 10);
  }
}

TEST_CASE("an at_most_once action under one key is never done twice wherever the machine dies",
          "[sweep]") {
  kit::for_each_crash_point([](kit::world& w) {
    for (bool alive = false; !alive;) {
      kit::stage stage{w, desks()};
      answers all{stage.invoke("by_fire", order_of(5), "k1"),
                  stage.invoke("by_fire", order_of(5), "k2")};
      stage.run_until([&] {
        for (const auto& a : all)
          if (!a->id.empty() && status_of(stage, a->id) == store::status::parked)
            (void)resolve_it(stage, a->id, journal::verdict::done, "\"did tool:fire\"");
        return all_ended(all);
      });
      alive = !w.crashed;
      if (alive)
        for (const auto& a : all)
          CHECK(receipt_of(*a).note == "did tool:fire");
    }
    CHECK(w.total("tool:fire") <= 1);
  });
}

// Agents of two kinds, on three keys, over services that fail in every way, with a cancellation and a
// restart in between.
TEST_CASE("no business key is done twice over a thousand seeds", "[seeds]") {
  kit::for_each_seed(1'000, [](kit::world& w) {
    auto cast = desks();
    for (auto name : {"tool:charge", "tool:post"})
      on_call(cast, name, [](kit::scripted_answer& a, std::uint32_t nth) {
        a.latency = std::chrono::milliseconds{1 + nth * 7 % 40};
        if (nth % 5 == 1)
          a.value = error{errc::timed_out, "no answer", certainty::unknown};
        if (nth % 5 == 3) {
          a.effect = false;
          a.value = error{errc::unavailable, "refused"};
        }
      });
    auto ask_all = [](kit::stage& stage) {
      answers all;
      for (int i = 0; i < 12; ++i)
        all.push_back(stage.invoke(i % 4 < 2 ? (i % 2 == 0 ? "by_mail" : "by_phone")
                                             : (i % 2 == 0 ? "by_post" : "by_letter"),
                                   order_of(5, std::to_string(i % 3)), "k" + std::to_string(i)));
      return all;
    };
    {
      kit::stage first{w, cast};
      auto all = ask_all(first);
      first.run_until([&] { return all[5]->accepted; });
      (void)command(first, cancel_request{all[5]->id});
      first.run_until([&] { return w.calls["tool:post"].size() > 1; }, 10s);
    }
    kit::stage aut{w, cast};
    auto all = ask_all(aut);

    kit::require(aut.run_until([&] { return all_ended(all); }, 1h), "somebody waits for ever");

    kit::require(w.most("tool:post") <= 1, "an at_most_once action was done twice");
    for (const auto& [service, keys] : w.effects)
      for (const auto& [key, n] : keys)
        kit::require(key.starts_with("order-"), "a business key was not used");
  });
}
