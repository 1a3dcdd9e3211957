// Addresses, keys, and the order of completions over branches.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// Each branch notes when it goes on; the last call sends the notes away.
task<int> racer(std::string* notes, char mark) {
  for (int i = 0; i < 3; ++i) {
    auto done = co_await tool("charge").arg("of", std::string(1, mark)).arg("i", i).call<raw_json>();
    if (!done)
      co_return std::move(done).error();
    *notes += mark;
  }
  co_return 3;
}

task<receipt> interleaves(order in) {
  std::string notes;
  auto all = co_await when_all(racer(&notes, 'a'), racer(&notes, 'b'), racer(&notes, 'c'));
  receipt out;
  out.id = in.id;
  out.steps = std::get<0>(all).value_or(0) + std::get<1>(all).value_or(0)
              + std::get<2>(all).value_or(0);
  auto told = co_await tool("post").arg("notes", notes).call<raw_json>();
  if (!told)
    co_return std::move(told).error();
  out.note = notes;
  co_return out;
}

// The branches in the order of their recorded completions.
std::string order_in(const std::vector<journal::entry>& entries) {
  std::string order;
  for (const auto& e : entries)
    if (auto* done = std::get_if<journal::completion>(&e); done && done->at.path.size() == 3)
      order += static_cast<char>('a' + (done->at.path[2] - '0'));
  return order;
}

std::vector<journal::entry> steps_of(std::vector<journal::entry> entries) {
  std::erase_if(entries, [](const journal::entry& e) {
    return !std::holds_alternative<journal::command>(e)
           && !std::holds_alternative<journal::completion>(e);
  });
  return entries;
}

kit::stage_options slow_at_random(std::uint64_t seed) {
  auto o = cast_of({"interleaves"}, seed);
  auto chance = std::make_shared<std::mt19937_64>(seed);
  on_call(o, "tool:charge", [chance](kit::scripted_answer& a, std::uint32_t) {
    a.latency = std::chrono::milliseconds{(*chance)() % 50};
  });
  return o;
}

} // namespace

TEST_CASE("completions over branches replay in their order, whatever the schedule", "[order]") {
  play("interleaves", interleaves);
  std::set<std::string> orders;
  std::uint64_t crashed = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    kit::world w;
    std::mt19937_64 chance{seed};
    w.crash_at = {chance() % 30, 30 + chance() % 15};
    std::vector<journal::entry> before;
    kit::answer last;
    for (std::uint64_t life = 0; life < 10 && !last.ended; ++life) {
      kit::stage stage{w, slow_at_random(seed * 100 + life)};
      auto a = stage.invoke("interleaves", one_order, "k");
      stage.run_until([&] { return a->ended || a->refused; });
      INFO("seed " << seed << ", life " << life);
      if (w.crashed) {
        ++crashed;
        store::memory_store disk{w.disk, 1};
        before.clear();
        if (auto rows = disk.load(1))
          for (auto& r : *rows) {
            auto row = journal::decode_row(r.at, 1, r.bytes).value();
            before.insert(before.end(), row.entries.begin(), row.entries.end());
          }
        before = steps_of(std::move(before));
        continue;
      }
      REQUIRE(a->ended);
      last = *a;
      auto after = steps_of(stage.journal_of(a->id));
      // What matched once is never written anew.
      REQUIRE(after.size() >= before.size());
      CHECK(std::equal(before.begin(), before.end(), after.begin()));
      CHECK(receipt_of(last).note == order_in(after));
    }
    REQUIRE(last.state == store::status::completed);
    CHECK(receipt_of(last).steps == 9);
    CHECK(w.most("tool:charge") <= 3); // once more for each of two crashes, under one key
    CHECK(w.effects["tool:charge"].size() == 9);
    CHECK(w.most("tool:post") == 1);
    orders.insert(receipt_of(last).note);
  }
  CHECK(orders.size() > 50); // or nothing was tested
  WARN("order: 200 seeds, " << crashed << " crashes, " << orders.size() << " orders");
}

TEST_CASE("keys name invocation, run, generation, branch and place", "[order]") {
  play("addressed", [](order in) -> task<receipt> {
    auto first = co_await tool("charge").call<raw_json>();
    auto both = co_await when_all(tool("charge").call<raw_json>(),
                                  with_timeout(1h, tool("charge").call<raw_json>()));
    if (in.amount == 1) {
      in.amount = 2;
      co_return continue_as(in);
    }
    receipt out;
    out.steps = first && std::get<0>(both) && std::get<1>(both);
    co_return out;
  });
  kit::world w;
  kit::stage stage{w, cast_of({"addressed"})};
  auto a = stage.invoke("addressed", one_order);
  stage.run_until([&] { return a->ended; });

  REQUIRE(a->state == store::status::completed);
  std::vector<std::string> expected;
  for (auto* at : {"/0/0/-/0", "/0/0/1.0/0", "/0/0/1.1.0.0/0", "/0/1/-/0", "/0/1/1.0/0",
                   "/0/1/1.1.0.0/0"})
    expected.push_back(a->id + at);
  auto keys = w.calls["tool:charge"];
  std::sort(keys.begin(), keys.end());
  CHECK(keys == expected);
}

TEST_CASE("a business key is the key, and stands for one set of arguments", "[order]") {
  play("business", [](order in) -> task<receipt> {
    auto a = co_await tool("charge").arg("sum", 5).key("INV-7").call<std::string>();
    auto b = co_await tool("charge").arg("sum", 5).key("INV-7").call<std::string>();
    auto c = co_await tool("charge").arg("sum", 6).key("INV-7").call<std::string>();
    receipt out;
    out.id = in.id;
    out.steps = a && b;
    out.note = c ? "?" : to_string(c.error().code);
    co_return out;
  });
  kit::for_each_crash_point([](kit::world& w) {
    auto a = drive(w, cast_of({"business"}), "business", one_order);
    REQUIRE(a.state == store::status::completed);
    CHECK(receipt_of(a).steps == 1);
    CHECK(receipt_of(a).note == "key_conflict");
    CHECK(w.effects["tool:charge"].size() == 1);
    CHECK(w.bodies["tool:charge"]["INV-7"] == R"({"sum":5})");
  });
}

TEST_CASE("the same seed gives the same journal, another one another order", "[order]") {
  play("interleaves", interleaves);
  auto journal = [](std::uint64_t seed) {
    kit::world w;
    kit::stage stage{w, slow_at_random(seed)};
    auto a = stage.invoke("interleaves", one_order, "k");
    stage.run_until([&] { return a->ended; });
    return order_in(stage.journal_of(a->id));
  };
  CHECK(journal(3) == journal(3));
  CHECK(journal(3) != journal(4));
}
