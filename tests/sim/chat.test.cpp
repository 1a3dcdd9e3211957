// A chat with tools and an approval, killed at every durable boundary and under many seeds.
#include "tests/actors/flow/chat_ground.hpp"
#include "actors/memory/conversation.hpp"
#include "tests/kit/explore.hpp"

#include <fmt/format.h>

using namespace troupe;
using namespace troupe::chat_ground;
using namespace std::chrono_literals;

namespace {

const std::string both = asks("a", "look at o-1 and give it back");
const std::string thanks = asks("a", "thanks");

kit::stage_options help(std::uint64_t seed) {
  auto o = desk_with(
    to_last({{"thanks", kit::says("You are welcome.")},
             {"give it back", kit::calls_tools({{"orders", R"({"id":"o-1"})"},
                                                {"refund", R"({"id":"o-1"})"},
                                                {"orders", R"({"id":"o-1"})"}})},
             {"shipped", kit::calls_tool("orders", R"({"id":"o-2"})")},
             {"no such order", kit::says("It was shipped; you get your money back.")}}),
    "key = \"conversation\"\napprove = [\"refund\"]\nparallel = 2\n");
  o.seed = seed;
  return o;
}

/// A client that repeats its requests, and a person who says yes whenever somebody waits.
std::string two_turns(kit::world& w, std::uint64_t seed) {
  for (std::uint64_t life = 0; life < 50; ++life) {
    kit::stage aut{w, help(seed + life)};
    std::string said;
    for (const auto& [key, input] : {std::pair{"t1", both}, std::pair{"t2", thanks}}) {
      auto a = aut.invoke("desk", input, key);
      for (int asked = 0; asked < 5 && !a->ended && !a->refused && !w.crashed; ++asked) {
        aut.run_until([&] { return a->ended || a->refused; }, 30s);
        if (!a->ended && !a->refused && !w.crashed)
          (void)aut.ask<command_reply>(signal_request{a->id, "approve", R"({"approved":true})"});
      }
      if (w.crashed)
        break;
      said += a->value ? output_of(*a).text : to_string(a->value.error());
      said += '\n';
    }
    if (w.crashed)
      continue;
    store::memory_store disk{w.disk, 1};
    auto kept = from_json<conversation>(disk.load_state("desk", "a").value().value_or("")).value();
    return fmt::format("{}{} kept, refunded {}", said, kept.window.size(),
                       w.total("tool:refund"));
  }
  throw kit::failure{"no answer after 50 lives"};
}

} // namespace

TEST_CASE("a chat with tools and an approval is the same wherever the machine dies", "[sweep]") {
  kit::sweep_options how;
  how.twice = true;
  how.window = 2;

  auto report = kit::for_each_crash_point(
    [](kit::world& w) -> std::string { return two_turns(w, 1); }, how);

  CHECK(report.crash_points >= 20);
}

TEST_CASE("a chat with tools and an approval is the same in every order of events", "[seeds]") {
  kit::world undisturbed;
  auto wanted = two_turns(undisturbed, 1);
  CHECK(wanted.find("shipped; you get your money back") != std::string::npos);
  CHECK(wanted.find("You are welcome.\n2 kept, refunded 1") != std::string::npos);

  kit::for_each_seed(500, [&](kit::world& w) {
    if (auto got = two_turns(w, 1); got != wanted)
      throw kit::failure{"another result: " + got};
  });
}
