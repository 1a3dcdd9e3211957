// Conversations: keyed chats that remember, within a window, with summaries, until they expire.
#include "tests/actors/flow/chat_ground.hpp"

#include "actors/memory/conversation.hpp"

#include <fmt/format.h>

#include <algorithm>

using namespace troupe;
using namespace troupe::chat_ground;
using namespace std::chrono_literals;

namespace {

const std::string keyed = "key = \"conversation\"\n";

conversation kept(kit::world& w, const std::string& key) {
  store::memory_store disk{w.disk->clone(), 1}; // who opens the disk itself is its new owner
  auto state = disk.load_state("desk", key).value().value_or("");
  return state.empty() ? conversation{} : from_json<conversation>(state).value();
}

std::size_t states_kept(kit::world& w) {
  store::memory_store disk{w.disk->clone(), 1};
  return disk.old_states("desk", never, {}, 10'000).value().size();
}

/// A model that says how many messages it has got, and what the first of the user's was.
kit::scripted_llm counting() {
  kit::scripted_llm m{"fast"};
  m.by([](const kit::scripted_call& c) {
    auto n = std::count(c.body.begin(), c.body.end(), '\n');
    return std::optional{kit::says(fmt::format("{} messages", n))};
  });
  return m;
}

} // namespace

TEST_CASE("a conversation goes on where it was, and each is its own") {
  kit::world w;
  kit::stage aut{w, desk_with(counting(), keyed)};

  auto a1 = output_of(turn(aut, asks("a", "one")));
  auto b1 = output_of(turn(aut, asks("b", "one")));
  auto a2 = output_of(turn(aut, asks("a", "two")));

  CHECK(a1.text == "2 messages");
  CHECK(b1.text == "2 messages");
  CHECK(a2.text == "4 messages");
  auto a = kept(w, "a");
  CHECK(a.turns == 2);
  REQUIRE(a.window.size() == 2);
  CHECK(a.window[1].user == "two");
  CHECK(a.window[1].assistant == "4 messages");
}

TEST_CASE("a turn that fails leaves its conversation as it was") {
  kit::scripted_llm model{"fast"};
  model.when("break", kit::fails(errc::failed, "no")).otherwise(kit::says("fine"));
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed)};
  (void)turn(aut, asks("a", "one"));

  auto failed = turn(aut, asks("a", "break"));
  auto after = turn(aut, asks("a", "three"));

  CHECK_FALSE(failed.value);
  CHECK(output_of(after).text == "fine");
  CHECK(kept(w, "a").turns == 2);
}

TEST_CASE("what a tool brought is in the answer and not in what is kept") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"where", kit::calls_tool("orders", R"({"id":"o-1"})")},
                                       {"shipped", kit::says("On its way.")}}),
                              keyed)};

  (void)output_of(turn(aut, asks("a", "where is o-1?")));

  auto c = kept(w, "a");
  REQUIRE(c.window.size() == 1);
  CHECK(c.window[0].user == "where is o-1?");
  CHECK(c.window[0].assistant == "On its way.");
}

TEST_CASE("what falls out of the window is summed up, once for half a window") {
  int summaries = 0;
  kit::scripted_llm model{"fast"};
  model.by([&summaries](const kit::scripted_call& c) {
    if (c.body.find("Sum up") == c.body.npos)
      return std::optional{kit::says(std::string(200, 'a'))};
    ++summaries;
    return std::optional{kit::says(fmt::format("summary {}", summaries))};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed + "window_tokens = 600\nsummary_model = \"fast\"\n")};

  for (int i = 0; i < 20; ++i)
    (void)output_of(turn(aut, asks("a", std::string(100, 'u'))));

  // A turn costs 83 tokens: seven fit, and three are left after a step.
  auto c = kept(w, "a");
  CHECK(c.turns == 20);
  CHECK(c.window.size() <= 7);
  CHECK(c.forgotten + static_cast<std::int64_t>(c.window.size()) == 20);
  CHECK(summaries >= 3);
  CHECK(summaries <= 5);
  CHECK(c.summary == fmt::format("summary {}", summaries));
}

TEST_CASE("a conversation goes on where its summary failed") {
  kit::scripted_llm model{"fast"};
  model.when("Sum up", kit::fails(errc::failed)).otherwise(kit::says(std::string(1'000, 'a')));
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed + "window_tokens = 300\nsummary_model = \"fast\"\n")};

  for (int i = 0; i < 4; ++i)
    (void)output_of(turn(aut, asks("a", "go on")));

  CHECK(kept(w, "a").turns == 4);
  CHECK(kept(w, "a").summary.empty());
}

TEST_CASE("a model whose context is smaller than the window is asked for less") {
  kit::scripted_llm model{"fast"};
  model.by([](const kit::scripted_call& c) {
    if (c.body.size() > 3'000)
      return std::optional{kit::fails(
        errc::invalid_input, "the messages are longer than the model's context: 800 tokens")};
    return std::optional{kit::says(std::string(1'000, 'a'))};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed)};

  kit::answer last;
  for (int i = 0; i < 5; ++i)
    last = turn(aut, asks("a", "go on"));

  CHECK(output_of(last).text.size() == 1'000);
  CHECK(kept(w, "a").turns == 5);
  CHECK(kept(w, "a").window.size() < 4);
}

namespace {

/// A model with a context of so many bytes, which says how many messages it has got.
kit::scripted_llm narrow(std::size_t bytes) {
  kit::scripted_llm m{"fast"};
  m.by([bytes](const kit::scripted_call& c) {
    if (c.body.size() > bytes)
      return std::optional{
        kit::fails(errc::invalid_input, "the messages are longer than the model's context: 800 tokens")};
    return std::optional{
      kit::says(fmt::format("{} messages", std::count(c.body.begin(), c.body.end(), '\n')))};
  });
  return m;
}

/// So many turns of a caller, each with a call of a tool, and a question.
std::string long_talk(int turns, std::size_t bytes) {
  std::string out = R"({"messages":[{"role":"system","content":"Be brief."})";
  for (int i = 0; i < turns; ++i)
    out += fmt::format(
      R"(,{{"role":"user","content":"{0:0>{1}}"}},{{"role":"assistant","content":null,"tool_calls":)"
      R"([{{"id":"c{0}","type":"function","function":{{"name":"orders","arguments":"{{}}"}}}}]}},)"
      R"({{"role":"tool","tool_call_id":"c{0}","content":"found"}},)"
      R"({{"role":"assistant","content":"{0}"}})",
      i, bytes);
  return out + R"(,{"role":"user","content":"And now?"}]})";
}

} // namespace

TEST_CASE("a caller's conversation that is longer than the window goes on with its last turns") {
  kit::world w;
  std::string asked;
  kit::scripted_llm model{"fast"};
  model.by([&asked](const kit::scripted_call& c) {
    if (c.body.find("Sum up") == c.body.npos)
      asked = c.body;
    return std::optional{kit::says(c.body.find("Sum up") == c.body.npos ? "Fine." : "SUMMARY")};
  });
  kit::stage aut{w, desk_with(model, "window_tokens = 1000\nsummary_model = \"fast\"\n")};

  auto a = turn(aut, long_talk(20, 400));

  CHECK(output_of(a).text == "Fine.");
  CHECK(asked.find("Be brief.") != std::string::npos);
  CHECK(asked.find("What was said earlier in this conversation: SUMMARY") != std::string::npos);
  CHECK(asked.find(std::string(300, '0') + "\n") == std::string::npos);
  CHECK(asked.size() < 4 * 1'200);
  CHECK(asked.find("And now?") != std::string::npos);
  auto told = emitted(aut, a.id);
  CHECK(std::any_of(told.begin(), told.end(), [](const auto& e) {
    return e.find(R"("event":"window.slid","forgotten":)") != e.npos;
  }));
}

TEST_CASE("a caller's conversation that is too long for the model is asked with less of it") {
  kit::world w;
  kit::stage aut{w, desk_with(narrow(3'000))};

  auto out = output_of(turn(aut, long_talk(20, 400)));

  CHECK(out.text == "23 messages"); // 20 turns, 10, 5; two of the system, one question
  CHECK(out.model_calls == 1);
}

TEST_CASE("where one message alone is too long for the model it is an error") {
  kit::world w;
  kit::stage aut{w, desk_with(narrow(3'000), R"(degraded = "Later, please.")")};

  auto a = turn(aut, R"({"messages":[{"role":"user","content":")" + std::string(4'000, 'u') + R"("}]})");

  REQUIRE_FALSE(a.value);
  CHECK(a.value.error().code == errc::invalid_input);
}

TEST_CASE("results of tools that are too long for the model are cut rather than the turn lost") {
  for (auto more : {std::string{}, keyed}) {
    kit::scripted_llm model{"fast"};
    model.by([](const kit::scripted_call& c) {
      if (c.body.size() > 3'000)
        return std::optional{
          kit::fails(errc::invalid_input, "the messages are longer than the model's context")};
      return std::optional{c.body.find("rrrr") == c.body.npos
                             ? kit::calls_tools({{"orders", R"({"id":"1"})"}, {"orders", R"({"id":"2"})"}})
                             : kit::says("Done.")};
    });
    kit::scripted_tool orders{"orders"};
    orders.otherwise(kit::says(std::string(6'000, 'r')));
    auto o = kit::play_text(desk(more));
    o.models.push_back(model);
    o.tools = {orders, refunds()};
    kit::world w;
    kit::stage aut{w, std::move(o)};

    auto a = turn(aut, asks("a", "find them"));

    CHECK(output_of(a).text == "Done.");
    CHECK(w.total("tool:orders") == 2);
  }
}

TEST_CASE("after a long silence a conversation begins anew") {
  kit::world w;
  kit::stage aut{w, desk_with(counting(), keyed + "conversation_ttl = \"1h\"\n")};
  (void)turn(aut, asks("a", "one"));
  aut.advance(59min);
  auto within = output_of(turn(aut, asks("a", "two")));
  aut.advance(61min);

  auto after = output_of(turn(aut, asks("a", "three")));

  CHECK(within.text == "4 messages");
  CHECK(after.text == "2 messages");
  CHECK(kept(w, "a").turns == 1);
}

TEST_CASE("conversations that have expired leave the store, also those of a process that is gone") {
  kit::world w;
  const auto ttl = keyed + "conversation_ttl = \"1d\"";
  {
    kit::stage before{w, desk_with(counting(), ttl)};
    for (int i = 0; i < 1'200; ++i) // more than two pages
      (void)turn(before, asks(fmt::format("old-{}", i), "one"));
  }
  kit::stage aut{w, desk_with(counting(), ttl)};
  aut.run(20h);
  (void)turn(aut, asks("young", "one"));
  CHECK(states_kept(w) == 1'201);

  aut.run(5h);

  CHECK(states_kept(w) == 1);
  CHECK(kept(w, "young").turns == 1);
  std::size_t told = 0;
  constexpr std::string_view states = "\"states\":";
  for (const auto& line : aut.trace())
    if (line.find("store.purged") != line.npos && line.find(states) != line.npos)
      told += std::stoul(line.substr(line.find(states) + states.size()));
  CHECK(told == 1'200);
  CHECK(std::ranges::none_of(aut.trace(), [](const std::string& line) {
    return line.find("\"agent\":desk") != line.npos; // it would be no JSON
  }));
}

TEST_CASE("a conversation in which a turn still runs stays however old it is") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"hello", kit::says("Hello.")},
                                       {"give", kit::calls_tool("refund", R"({"id":"o-1"})")},
                                       {"refunded", kit::says("Done.")}}),
                              keyed + "conversation_ttl = \"1d\"\napprove = [\"refund\"]\n"
                                      "approve_timeout = \"30d\"")};
  (void)turn(aut, asks("a", "hello"));
  auto a = aut.invoke("desk", asks("a", "give it back"));
  aut.run(24h * 3);
  CHECK(states_kept(w) == 1);

  (void)aut.ask<command_reply>(signal_request{a->id, "approve", R"({"approved":true})"});
  aut.run_until([&] { return a->ended; });

  CHECK(output_of(*a).text == "Done.");
  CHECK(kept(w, "a").turns == 2);
  aut.run(24h * 2);
  CHECK(states_kept(w) == 0);
}

TEST_CASE("a caller's own conversation neither reads nor writes the one of that name") {
  kit::world w;
  kit::stage aut{w, desk_with(counting(), keyed)};
  (void)turn(aut, asks("a", "one"));

  auto own = output_of(
    turn(aut, R"({"conversation":"a","messages":[{"role":"user","content":"mine"}]})"));

  CHECK(own.text == "2 messages");
  CHECK(kept(w, "a").window.size() == 1);
  CHECK(kept(w, "a").window[0].user == "one");
}

TEST_CASE("a keyed chat takes a conversation that its caller keeps without a name, and keeps nothing") {
  kit::world w;
  kit::stage aut{w, desk_with(counting(), keyed)};

  auto out = output_of(turn(aut, R"({"messages":[{"role":"user","content":"mine"}]})"));
  auto nameless = turn(aut, asks("mine"));
  auto after = output_of(turn(aut, R"({"conversation":null,"messages":[{"role":"user","content":"x"}]})"));

  CHECK(out.text == "2 messages");
  CHECK(after.text == "2 messages");
  CHECK(kept(w, "").turns == 0);
  REQUIRE_FALSE(nameless.value);
  CHECK(nameless.value.error().code == errc::invalid_input);
}

TEST_CASE("pictures are seen in their turn and remembered by their number") {
  kit::world w;
  kit::stage aut{w, desk_with(counting(), keyed)};

  (void)output_of(turn(
    aut, R"({"conversation":"a","message":"what is it?","images":["data:image/png;base64,AA=="]})"));

  CHECK(kept(w, "a").window.at(0).user == "what is it?\n[1 images]");
}

TEST_CASE("a late turn of a conversation costs the store what an early one does") {
  kit::scripted_llm model{"fast"};
  model.by([](const kit::scripted_call& c) {
    return std::optional{kit::says(fmt::format("{} {}", c.nth, std::string(400, 'a')))};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed)};
  auto ten_turns = [&, t = 0]() mutable {
    auto before = w.disk->bytes();
    for (int i = 0; i < 10; ++i)
      (void)output_of(turn(aut, asks("a", fmt::format("{} {}", t++, std::string(200, 'u')))));
    return w.disk->bytes() - before;
  };

  (void)ten_turns();
  auto early = ten_turns();
  (void)ten_turns();
  auto late = ten_turns(); // 40 turns of 170 tokens: all of it is in the window

  WARN("a turn of 600 bytes: " << early / 10 << " bytes early, " << late / 10 << " late");
  CHECK(kept(w, "a").window.size() == 40);
  CHECK(late < early * 5 / 4);
}

TEST_CASE("a long conversation is whole after a crash in the middle of a turn") {
  kit::scripted_llm model{"fast"};
  model.by([](const kit::scripted_call& c) {
    auto last = last_of(c);
    if (last == "give it back")
      return std::optional{kit::calls_tool("refund", R"({"id":"o-1"})")};
    return std::optional{kit::says("to " + last.substr(0, 8))};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, keyed + "approve = [\"refund\"]\n")};
  for (int i = 0; i < 30; ++i)
    (void)output_of(turn(aut, asks("a", fmt::format("turn {:2} {}", i, std::string(500, 'u')))));
  auto a = aut.invoke("desk", asks("a", "give it back"), "key");
  aut.run(1min);

  auto id = a->id;
  aut.crash();
  aut.restart();
  a = aut.invoke("desk", asks("a", "give it back"), "key");
  (void)aut.ask<command_reply>(signal_request{id, "approve", R"({"approved":true})"});
  aut.run_until([&] { return a->ended; });

  CHECK(output_of(*a).text == "to refunded");
  auto c = kept(w, "a");
  REQUIRE(c.window.size() == 31);
  for (std::size_t i = 0; i < 30; ++i)
    CHECK(c.window[i].assistant == fmt::format("to turn {:2} ", i));
}

TEST_CASE("a thousand conversations at once are not mixed up") {
  constexpr int conversations = 1'000;
  constexpr int turns = 20;
  kit::scripted_llm model{"fast"};
  model.by([](const kit::scripted_call& c) { // the beginning of the first and of the last message
    auto first = c.body.substr(c.body.find('\n') + 1);
    return std::optional{kit::says(first.substr(0, first.find('.')) + " > " + last_of(c).substr(0, 40))
                           .after(std::chrono::milliseconds{c.body.size() % 7})};
  });
  kit::world w;
  auto o = desk_with(model, keyed + "depth_max = 100000");
  kit::stage aut{w, std::move(o)};
  auto input = [](int c, int t) {
    return asks(fmt::format("c-{}", c), fmt::format("from {}. turn {}", c, t));
  };

  std::vector<std::shared_ptr<kit::answer>> all;
  for (int t = 0; t < turns; ++t)
    for (int c = 0; c < conversations; ++c)
      all.push_back(aut.invoke("desk", input(c, t)));
  std::size_t ended = 0;
  aut.run_until([&] {
    while (ended < all.size() && all[ended]->ended)
      ++ended;
    return ended == all.size();
  });

  int wrong = 0;
  for (int t = 0; t < turns; ++t)
    for (int c = 0; c < conversations; ++c) {
      auto out = output_of(*all[static_cast<std::size_t>(t * conversations + c)]);
      wrong += out.text == fmt::format("from {0} > from {0}. turn {1}", c, t) ? 0 : 1;
    }
  CHECK(wrong == 0);
  for (int c = 0; c < conversations; c += 97)
    CHECK(kept(w, fmt::format("c-{}", c)).turns == turns);
}
