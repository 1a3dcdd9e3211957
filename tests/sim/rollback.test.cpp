// Commits that fail, owners that are replaced, rows that are damaged.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

task<receipt> steps5(order in) {
  receipt out;
  out.id = in.id;
  for (int i = 0; i < 5; ++i) {
    auto done = co_await tool("post").arg("i", i).call<std::string>();
    out.steps += done ? 1 : 0;
  }
  co_return out;
}

} // namespace

TEST_CASE("while commits fail new work is refused, and what was acknowledged goes on after",
          "[rollback]") {
  play("steps5", steps5);
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    kit::world w;
    kit::stage stage{w, cast_of({"steps5"}, seed)};
    auto a = stage.invoke("steps5", one_order, "a");
    stage.run_until([&] { return w.total("tool:post") == seed % 5; });
    auto b = stage.invoke("steps5", one_order, "b");
    w.fail_commits = true;
    stage.run(5s);
    INFO("seed " << seed);

    // Whoever waited is told, with the reason.
    CHECK((a->refused || a->ended));
    CHECK(a->value.error().code == errc::store_failed);
    CHECK(a->value.error().message.find("simulated failure") != std::string::npos);
    auto c = stage.invoke("steps5", one_order, "c");
    stage.run_until([&] { return c->refused; }, 1min);
    CHECK(c->value.error().code == errc::store_failed);
    CHECK(ask<dispatcher_stats>(stage, stats_request{}).store_failure);

    w.fail_commits = false;
    stage.run(1min);
    auto again = stage.invoke("steps5", one_order, "a");
    auto b_again = stage.invoke("steps5", one_order, "b");
    stage.run_until([&] { return again->ended && b_again->ended; });
    CHECK(receipt_of(*again).steps == 5);
    CHECK(receipt_of(*b_again).steps == 5);
    CHECK(w.total("tool:post") == 10);
    CHECK(w.most("tool:post") == 1);
    CHECK_FALSE(ask<dispatcher_stats>(stage, stats_request{}).store_failure);
  }
}

TEST_CASE("commits that fail now and then lose and double nothing", "[rollback]") {
  play("steps5", steps5);
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    kit::world w;
    kit::stage stage{w, cast_of({"steps5"}, seed)};
    std::mt19937_64 chance{seed};
    std::map<std::string, std::shared_ptr<kit::answer>> all;
    for (int round = 0; round < 30; ++round) {
      w.fail_commits = chance() % 3 == 0;
      for (auto* key : {"a", "b", "c", "d"})
        if (auto& x = all[key]; !x || x->refused || (x->ended && !x->value))
          x = stage.invoke("steps5", one_order, key);
      stage.run(std::chrono::milliseconds{chance() % 200});
    }
    w.fail_commits = false;
    stage.run(1min);
    INFO("seed " << seed);
    for (auto* key : {"a", "b", "c", "d"}) {
      auto x = stage.invoke("steps5", one_order, key);
      stage.run_until([&] { return x->ended || x->refused; });
      REQUIRE(x->state == store::status::completed);
      CHECK(receipt_of(*x).steps == 5);
    }
    CHECK(w.total("tool:post") == 20);
    CHECK(w.most("tool:post") == 1);
  }
}

TEST_CASE("a newer owner fences the older one: its work stops and it is told", "[fencing]") {
  play("steps5", steps5);
  auto o = cast_of({"steps5"});
  on_call(o, "tool:post", [](kit::scripted_answer& a, std::uint32_t) { a.latency = 100ms; });
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    kit::world w;
    o.seed = seed;
    std::optional<error> fatal;
    o.on_fatal = [&](const error& e) { fatal = e; };
    kit::stage first{w, o};
    auto a = first.invoke("steps5", one_order, "k");
    first.run_until([&] { return w.total("tool:post") == 2; });

    o.on_fatal = {};
    kit::stage second{w, o};
    auto calls = w.calls["tool:post"].size();
    first.run(10s); // the zombie goes on
    CHECK(w.calls["tool:post"].size() == calls);
    REQUIRE(fatal);
    CHECK(fatal->code == errc::fenced);
    CHECK(a->ended);
    auto late = first.invoke("steps5", one_order, "late");
    first.run(1s);
    CHECK(late->refused);

    auto b = second.invoke("steps5", one_order, "k");
    second.run_until([&] { return b->ended; });
    INFO("seed " << seed);
    CHECK(receipt_of(*b).steps == 5);
    CHECK(w.most("tool:post") == 1);
    CHECK(w.total("tool:post") == 5);
  }
}

TEST_CASE("a flipped bit pauses the invocation that it hits, and no other", "[corruption]") {
  play("waits_then_posts", [](order in) -> task<receipt> {
    (void)co_await tool("charge").arg("text", std::string(6'000, 'x')).call<std::string>();
    (void)co_await signal<raw_json>("go");
    auto done = co_await tool("post").call<std::string>();
    receipt out;
    out.id = in.id;
    out.steps = done ? 1 : 0;
    co_return out;
  });
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t bit : {0U, 9U, 77U, 1'001U}) {
      kit::world w;
      std::vector<std::string> ids;
      {
        kit::stage stage{w, cast_of({"waits_then_posts"})};
        std::vector<std::shared_ptr<kit::answer>> all;
        for (int i = 0; i < 3; ++i)
          all.push_back(stage.invoke("waits_then_posts", one_order));
        stage.run(1min);
        for (auto& a : all)
          ids.push_back(a->id);
      }
      w.disk->flip_bit(2, row, bit);
      kit::stage stage{w, cast_of({"waits_then_posts"})};
      for (auto& id : ids)
        REQUIRE(signal_it(stage, id, "go"));
      INFO("row " << row << ", bit " << bit);
      CHECK(reaches(stage, ids[0], store::status::completed, 1min));
      CHECK(reaches(stage, ids[2], store::status::completed, 1min));
      CHECK(reaches(stage, ids[1], store::status::paused, 1min));
      auto said = std::any_of(stage.trace().begin(), stage.trace().end(), [&](const auto& line) {
        return line.find("invocation.paused") != std::string::npos
               && line.find(R"("result":"corrupted")") != std::string::npos
               && line.find("journal row") != std::string::npos;
      });
      CHECK(said);
      CHECK(command(stage, retry_request{ids[1]}).error().code == errc::corrupted);
    }
}
