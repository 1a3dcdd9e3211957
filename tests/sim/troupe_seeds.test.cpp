// A whole troupe under a thousand schedules: its tools and their actors fail, the store refuses
// writes; once that is over, all of it must come to its end in time, and nothing twice.
#include "runtime/core/agent.hpp"
#include "tests/kit/explore.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

struct purchase {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(purchase, (), (id))

struct opinion {
  std::string word;
};
BOOST_DESCRIBE_STRUCT(opinion, (), (word))

class shopper final : public agent<purchase, std::string> {
  task<std::string> run(purchase in) override {
    auto both = co_await when_all(tool("stock").arg("id", in.id).call<std::string>(),
                                  llm("clerk").ask<opinion>("Is " + in.id + " any good?"));
    auto paid = co_await tool("pay").arg("id", in.id).call<std::string>();
    if (!paid)
      co_return std::move(paid).error();
    auto waited = co_await sleep(3s);
    auto mailed = co_await tool("mail").arg("id", in.id).call<std::string>();
    if (!mailed)
      co_return std::move(mailed).error();
    co_return in.id + (std::get<0>(both) ? " in stock" : "") + (waited ? "" : " at once");
  }
};
TROUPE_AGENT(shopper)

constexpr std::string_view shop = R"(
[troupe]
name = "shop"

[agents.shopper]
concurrency = 3

[tools.stock]
kind = "command"
argv = ["stock"]
effect = "read"

[tools.pay]
kind = "command"
argv = ["pay"]
effect = "idempotent"
attempts_max = 8
total_timeout = "20s"

[tools.mail]
kind = "command"
argv = ["mail"]
effect = "at_most_once"
timeout = "1s"
total_timeout = "2s"
[tools.mail.reconcile]
argv = ["mail", "--find"]

[models.clerk]
kind = "openai"
model = "any"

[supervisors.root]
children = ["models.clerk", "supervisors.hands"]
intensity = 1000

[supervisors.hands]
strategy = "one_for_all"
intensity = 1000
children = ["tools.stock", "tools.pay", "tools.mail"]
)";

/// Whether the outside is out of order, drawn for each call.
struct weather {
  explicit weather(std::uint64_t seed) : chance(seed) {}

  std::optional<kit::scripted_answer> strike(bool may_repeat) {
    if (!storm)
      return std::nullopt;
    auto latency = std::chrono::milliseconds{chance() % 700};
    switch (chance() % 12) {
      case 0: return kit::fails(errc::unavailable).after(latency);
      case 1: return kit::hangs();
      case 2: return kit::acts_and_hangs(R"("done")");
      case 3: return may_repeat ? kit::crashes() : kit::hangs();
      default: return kit::says("done").after(latency);
    }
  }

  std::mt19937_64 chance;
  bool storm = true;
};

kit::stage_options shop_in(const std::shared_ptr<weather>& outside) {
  static const auto played = kit::play_text(shop);
  auto o = played;
  for (auto* name : {"stock", "pay", "mail"}) {
    kit::scripted_tool t{name};
    t.by([outside](const kit::scripted_call&) { return outside->strike(true); })
      .otherwise(kit::says("done"));
    o.tools.push_back(t);
  }
  kit::scripted_llm clerk{"clerk"};
  clerk.by([outside](const kit::scripted_call&) {
         auto struck = outside->strike(true);
         if (struck && struck->value)
           struck->value = to_json(opinion{"fine"});
         return struck;
       })
    .otherwise(kit::says(opinion{"fine"}));
  o.models.push_back(clerk);
  return o;
}

constexpr int orders = 4;

void storm_and_calm(kit::world& w) {
  std::mt19937_64 chance{w.order->options().seed};
  auto outside = std::make_shared<weather>(chance());
  kit::stage aut{w, shop_in(outside)};
  std::vector<std::shared_ptr<kit::answer>> all(orders);
  auto has_end = [](const auto& a) { return a && a->ended && !store::is_open(a->state); };
  auto ask_again = [&] { // as a client does that was told nothing final
    for (int i = 0; i < orders; ++i)
      if (auto& a = all[static_cast<std::size_t>(i)]; !a || a->refused || (a->ended && !has_end(a)))
        a = aut.invoke("shopper", fmt::format(R"({{"id":"S-{}"}})", i), fmt::format("key-{}", i));
  };
  ask_again();
  for (int round = 0; round < 4; ++round) {
    aut.run(std::chrono::milliseconds{chance() % 3'000});
    switch (chance() % 4) {
      case 0: aut.crash(chance() % 2 == 0 ? "tool:pay" : "llm:clerk"); break;
      case 1: aut.crash_store(); break;
      case 2: aut.restart_store(); break;
      default:
        aut.restart();
        all.assign(orders, nullptr);
        ask_again();
        break;
    }
  }
  outside->storm = false;
  aut.restart_store();
  for (int again = 0; again < 20; ++again) {
    ask_again();
    aut.run(1s);
  }
  aut.settle(5min);
  kit::require(!aut.fatal(), "the process gave up");
  for (const auto& a : all)
    kit::require(has_end(a), "settled, and an order has no end");
  kit::require(w.most("tool:mail") <= 1, "a mail was sent twice");
  kit::require(w.effects["tool:pay"].size() <= orders, "an order was paid under two keys");
  kit::require(w.rewritten["tool:pay"].empty(), "a key was used for another payment");
  auto answered = std::count_if(all.begin(), all.end(), [](auto& a) { return a->value.has_value(); });
  kit::require(w.effects["tool:pay"].size() >= static_cast<std::size_t>(answered),
               "an order was answered and not paid");
}

} // namespace

TEST_CASE("a troupe comes to its end after any storm, in time, with nothing done twice",
          "[seeds]") {
  auto report = kit::for_each_seed(1'000, storm_and_calm);

  CHECK(report.turns > 100'000);
}
