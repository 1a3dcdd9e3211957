// What stays in the store, and how much of it.
#include "tests/sim/agents.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

// A chat of `amount` turns that sends all of it each time.
task<receipt> chats(order in) {
  std::vector<std::string> said;
  for (int i = 0; i < in.amount; ++i) {
    auto call = llm("fast");
    for (std::size_t k = 0; k < said.size(); ++k)
      call.message(k % 2 == 0 ? "user" : "assistant", said[k]);
    auto asked = "turn " + std::to_string(i) + std::string(200, '.');
    auto answer = co_await std::move(call).complete(asked);
    said.push_back(std::move(asked));
    said.push_back(answer ? answer->text : "?");
  }
  receipt out;
  out.id = in.id;
  out.steps = static_cast<int>(said.size());
  co_return out;
}

std::size_t bytes_of_chat(int turns) {
  play("chats", chats);
  auto o = cast_of({"chats"});
  o.services.push_back(service("llm:fast", effect_class::read));
  o.services.back().answer = [](const call_request&, std::uint32_t nth) {
    kit::scripted_answer a;
    a.value = R"({"text":"answer )" + std::to_string(nth) + std::string(200, '-')
              + R"(","input_tokens":1,"output_tokens":1})";
    return a;
  };
  kit::world w;
  kit::stage stage{w, o};
  auto a = stage.invoke("chats", R"({"id":"x","amount":)" + std::to_string(turns) + "}");
  stage.run_until([&] { return a->ended; });
  REQUIRE(receipt_of(*a).steps == 2 * turns);
  return w.disk->bytes();
}

} // namespace

TEST_CASE("a chat of n turns stores O(n) bytes", "[storage]") {
  auto at_50 = bytes_of_chat(50);
  auto at_100 = bytes_of_chat(100);
  auto at_200 = bytes_of_chat(200);
  WARN("chat: " << at_50 << ", " << at_100 << ", " << at_200 << " bytes at 50, 100, 200 turns");
  CHECK(at_100 < at_50 * 21 / 10);
  CHECK(at_200 < at_100 * 21 / 10);
}

TEST_CASE("large payloads go to blobs, equal ones once, and come back whole", "[storage][sweep]") {
  play("heavy", [](order in) -> task<receipt> {
    auto text = std::string(100'000, 'q');
    auto a = co_await tool("echo").arg("t", text).call<std::string>();
    auto b = co_await tool("echo").arg("t", text).call<std::string>();
    auto c = co_await signal<std::string>("big");
    receipt out;
    out.id = in.id;
    out.steps = a && b && c && *a == *b && a->size() == 100'000 && c->size() == 50'000;
    out.note = std::string(20'000, 'r');
    co_return out;
  });
  auto o = cast_of({"heavy"});
  o.services.push_back(service("tool:echo", effect_class::idempotent));
  o.services.back().answer = [](const call_request&, std::uint32_t) {
    kit::scripted_answer a;
    a.value = to_json(std::string(100'000, 's'));
    return a;
  };
  auto report = kit::for_each_crash_point([&](kit::world& w) {
    bool told = false, done = false;
    for (std::uint64_t life = 0; life < 20 && !done; ++life) {
      auto mine = o;
      mine.seed += life;
      kit::stage stage{w, mine};
      auto a = stage.invoke("heavy", R"({"id":")" + std::string(10'000, 'i') + R"(","amount":1})",
                            "k");
      stage.run(1min);
      if (!w.crashed && !told && a->accepted)
        told = signal_it(stage, a->id, "big", to_json(std::string(50'000, 'b'))).has_value();
      stage.run_until([&] { return a->ended; }, 1min);
      done = !w.crashed && a->ended;
      if (done) {
        CHECK(receipt_of(*a).steps == 1);
        CHECK(receipt_of(*a).note.size() == 20'000);
      }
    }
    REQUIRE(done);
    CHECK(w.disk->bytes() < 10'000 + 2 * 100'100 + 2 * 50'100 + 20'100 + 5'000);
  });
  WARN("large payloads: " << report.runs << " runs");
}

TEST_CASE("finished invocations are purged by age, with all that only they refer to", "[storage]") {
  play("heavy_once", [](order in) -> task<receipt> {
    auto a = co_await tool("charge").arg("t", std::string(10'000, 'q')).call<std::string>();
    if (in.amount == 2)
      (void)co_await sleep(1000h);
    receipt out;
    out.id = in.id;
    out.steps = a ? 1 : 0;
    co_return out;
  });
  auto o = cast_of({"heavy_once"});
  o.retention = 24h;
  kit::world w;
  kit::stage stage{w, o};
  auto old = stage.invoke("heavy_once", one_order, "k");
  auto asleep = stage.invoke("heavy_once", R"({"id":"x","amount":2})");
  stage.run(20h);
  CHECK(old->ended);
  CHECK(stage.record_of(old->id));
  auto young = stage.invoke("heavy_once", R"({"id":"y","amount":1})");
  stage.run(10h);
  CHECK_FALSE(stage.record_of(old->id));
  CHECK(stage.record_of(asleep->id));
  CHECK(stage.record_of(young->id));
  CHECK(w.disk->blobs() == 1);
  // Its key is free again.
  auto anew = stage.invoke("heavy_once", one_order, "k");
  stage.run_until([&] { return anew->ended; });
  CHECK_FALSE(anew->attached);
  stage.run(48h);
  CHECK_FALSE(stage.record_of(young->id));
  CHECK(stage.record_of(asleep->id));
}

TEST_CASE("more than a page of finished invocations is purged within seconds", "[storage]") {
  play("nothing", [](order) -> task<receipt> { co_return receipt{}; });
  auto o = cast_of({"nothing"});
  o.retention = 1h;
  kit::world w;
  kit::stage stage{w, o};
  std::vector<std::shared_ptr<kit::answer>> all;
  for (int i = 0; i < 2'000; ++i)
    all.push_back(stage.invoke("nothing", one_order));
  stage.run_until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& a) { return a->ended; });
  });
  stage.run(62min);
  CHECK(w.disk->rows() == 0);
  CHECK(w.disk->blobs() == 0);
}
