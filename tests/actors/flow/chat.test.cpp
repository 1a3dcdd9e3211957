// A chat agent: the loop between a model and its tools, and what can go wrong in it.
#include "tests/actors/flow/chat_ground.hpp"

#include "runtime/core/stream_hub.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::chat_ground;
using namespace std::chrono_literals;

namespace {

bool any_contains(const std::vector<std::string>& all, std::string_view part) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& text) { return text.find(part) != text.npos; });
}

} // namespace

TEST_CASE("a chat agent answers from the topology alone") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"hello", kit::says("Hello!")}}))};

  auto a = turn(aut, asks("hello"));

  auto out = output_of(a);
  CHECK(out.text == "Hello!");
  CHECK(out.finish == "stop");
  CHECK(out.model_calls == 1);
  CHECK(out.tool_calls_made == 0);
  CHECK(out.output_tokens > 0);
  CHECK(states(aut, a.id) == std::vector<std::string>{"streaming_response", "awaiting_input"});
}

TEST_CASE("a chat agent calls the tools that its model asks for and answers with what they bring") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"where is", kit::calls_tool("orders", R"({"id":"o-1"})")},
                                       {"shipped", kit::says("It was shipped.")}}))};

  auto a = turn(aut, asks("where is o-1?"));

  auto out = output_of(a);
  CHECK(out.text == "It was shipped.");
  CHECK(out.tool_calls_made == 1);
  CHECK(out.model_calls == 2);
  CHECK(w.total("tool:orders") == 1);
  auto told = emitted(aut, a.id);
  CHECK(any_contains(told, R"("event":"tool.started","call":"call_0_0","tool":"orders")"));
  CHECK(any_contains(told, R"("event":"tool.finished","call":"call_0_0","tool":"orders","result":"ok")"));
  CHECK(states(aut, a.id)
        == std::vector<std::string>{"streaming_response", "processing_tools", "streaming_response",
                                    "awaiting_input"});
}

TEST_CASE("tool calls of one answer run side by side, under the limit") {
  auto slow = kit::says("found").after(1s);
  kit::scripted_tool orders{"orders"};
  orders.otherwise(slow);
  std::vector<std::pair<std::string, std::string>> six;
  for (int i = 0; i < 6; ++i)
    six.emplace_back("orders", R"({"id":")" + std::to_string(i) + R"("})");
  auto o = kit::play_text(desk("parallel = 3"));
  o.models.push_back(to_last({{"all", kit::calls_tools(six)}, {"found", kit::says("Done.")}}));
  o.tools = {orders, refunds()};
  kit::world w;
  kit::stage aut{w, std::move(o)};
  auto begun = aut.now();

  auto a = turn(aut, asks("all"));

  CHECK(output_of(a).tool_calls_made == 6);
  CHECK(aut.now() - begun >= 2s);
  CHECK(aut.now() - begun < 3s); // six seconds one by one
}

TEST_CASE("a call with arguments that are no JSON is mended or told to the model, and never made") {
  kit::world w;
  kit::stage aut{
    w, desk_with(to_last({{"mend", kit::calls_tool("orders", "{id: 'o-1',}")},
                          {"break", kit::calls_tool("orders", R"({"id": "o-)")},
                          {"not a JSON object", kit::calls_tool("orders", R"({"id":"o-1"})")},
                          {"shipped", kit::says("Shipped.")}}))};

  auto mended = output_of(turn(aut, asks("mend")));
  auto told = turn(aut, asks("break"));

  CHECK(mended.text == "Shipped.");
  CHECK(mended.model_calls == 2);
  CHECK(output_of(told).text == "Shipped.");
  CHECK(output_of(told).tool_calls_made == 1);
  CHECK(states(aut, told.id).at(2) == "error_recovery");
  CHECK(w.total("tool:orders") == 2);
}

TEST_CASE("fault 37, malformed or unknown tool calls: "
          "the model hears it in words that it can act on") {
  kit::scripted_tool refund{"refund"};
  refund.when("gone", kit::fails(errc::failed, "the order is too old"))
    .when("down", kit::fails(errc::unavailable))
    .otherwise(kit::says("refunded"));
  auto o = kit::play_text(desk());
  o.models.push_back(
    to_last({{"typo", kit::calls_tool("order", "{}")},
             {"There is no tool 'order'. There are: orders, refund.", kit::says("a")},
             {"schema", kit::calls_tool("orders", R"({"number":1})")},
             {"The arguments were refused, and nothing was done", kit::says("b")},
             {"money back", kit::calls_tool("refund", R"({"id":"gone"})")},
             {"nothing was done: the order is too old", kit::says("c")},
             {"later", kit::calls_tool("refund", R"({"id":"down"})")},
             {"cannot be reached at the moment (unavailable)", kit::says("d")}}));
  o.tools = {orders_known(), refund};
  kit::world w;
  kit::stage aut{w, std::move(o)};

  std::string said;
  for (auto text : {"typo", "schema", "money back", "later"})
    said += output_of(turn(aut, asks(text))).text;

  CHECK(said == "abcd");
  CHECK(w.total("tool:orders") == 0);
}

TEST_CASE("a model that goes round in a loop is told once and then stopped") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"", kit::calls_tool("orders", R"({"id":"o-1"})")}}),
                              "repeats_max = 3")};

  auto a = turn(aut, asks("loop"));

  REQUIRE_FALSE(a.value);
  CHECK(a.value.error().code == errc::failed);
  CHECK(a.value.error().message.find("goes round in a loop: orders has been called 4 times")
        != std::string::npos);
  CHECK(w.total("tool:orders") == 4);
}

TEST_CASE("a model that is told of its loop gets out of it") {
  kit::world w;
  kit::stage aut{
    w, desk_with(to_last({{"has brought the same answer 2 times", kit::says("I see.")},
                          {"", kit::calls_tool("orders", R"({"id":"o-1"})")}}),
                 "repeats_max = 2")};

  CHECK(output_of(turn(aut, asks("loop"))).text == "I see.");
}

TEST_CASE("at turns_max the model must answer with what it has") {
  int asked = 0;
  kit::scripted_llm model{"fast"};
  model.by([&asked](const kit::scripted_call&) {
    ++asked;
    return std::optional{asked == 3 ? kit::says("That is all I have.")
                                    : kit::calls_tool("orders", R"({"id":")"
                                                                  + std::to_string(asked)
                                                                  + R"("})")};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, "turns_max = 3")};

  auto out = output_of(turn(aut, asks("go on")));

  CHECK(out.finish == "limit");
  CHECK(out.text == "That is all I have.");
  CHECK(out.tool_calls_made == 2);
}

TEST_CASE("above tool_calls_max nothing is called any more") {
  std::vector<std::pair<std::string, std::string>> three;
  for (auto id : {"o-1", "o-11", "o-12"})
    three.emplace_back("orders", R"({"id":")" + std::string{id} + R"("})");
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"each", kit::calls_tools(three)},
                                       {"No more calls", kit::says("Two of three.")}}),
                              "tool_calls_max = 2")};

  auto out = output_of(turn(aut, asks("each")));

  CHECK(out.text == "Two of three.");
  CHECK(out.finish == "limit");
  CHECK(w.total("tool:orders") == 2);
}

TEST_CASE("a model that asks for tools where it must answer ends the turn with an error") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"", kit::calls_tool("orders", R"({"id":"o-1"})")}}),
                              "turns_max = 1")};

  auto a = turn(aut, asks("hello"));

  REQUIRE_FALSE(a.value);
  CHECK(a.value.error().message.find("told to answer") != std::string::npos);
}

TEST_CASE("a model that asks for tools and answers where it must answer is taken at its word") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"", kit::calls_tools({{"orders", "{}"}}, "It is late.")}}),
                              "turns_max = 1")};

  auto out = output_of(turn(aut, asks("hello")));

  CHECK(out.text == "It is late.");
  CHECK(out.finish == "limit");
  CHECK(w.total("tool:orders") == 0);
}

TEST_CASE("a model whose server knows no tool_choice is asked once more without tools") {
  int asked = 0;
  kit::scripted_llm model{"fast"};
  model.by([&asked](const kit::scripted_call&) {
    return std::optional{++asked == 1 ? kit::calls_tool("orders", "{}") : kit::says("It is late.")};
  });
  kit::world w;
  kit::stage aut{w, desk_with(model, "turns_max = 1")};

  auto a = turn(aut, asks("hello"));

  CHECK(output_of(a).text == "It is late.");
  CHECK(w.total("tool:orders") == 0);
  CHECK(states(aut, a.id).at(1) == "error_recovery");
}

TEST_CASE("a turn that waits for a person ends with its deadline") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"give", kit::calls_tool("refund", R"({"id":"o-1"})")}}),
                              "approve = [\"refund\"]\ndeadline = \"1h\"")};
  auto begun = aut.now();

  auto a = aut.invoke("desk", asks("give it back"));
  aut.run_until([&] { return a->ended; }, 2h);

  REQUIRE(a->ended);
  REQUIRE_FALSE(a->value);
  CHECK(a->value.error().code == errc::deadline_exceeded);
  CHECK(aut.now() - begun < 1h + 1s);
  CHECK(w.total("tool:refund") == 0);
}

TEST_CASE("a model that says nothing is asked once more, and then it is an error") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"mute", kit::says(" \n")},
                                       {"shy", kit::says("")},
                                       {"message was empty", kit::says("Well.")}}))};
  kit::world v;
  kit::stage mute{v, desk_with(to_last({{"", kit::says("")}}))};

  auto shy = turn(aut, asks("shy"));
  auto never = turn(mute, asks("mute"));

  CHECK(output_of(shy).text == "Well.");
  CHECK(output_of(shy).model_calls == 2);
  CHECK(states(aut, shy.id).at(1) == "error_recovery");
  REQUIRE_FALSE(never.value);
  CHECK(never.value.error().message == "the model answers with nothing");
}

TEST_CASE("the same call many times in one answer is no loop") {
  std::vector<std::pair<std::string, std::string>> ten(10, {"order", "{}"});
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"go", kit::calls_tools(ten)},
                                       {"There is no tool", kit::says("I see.")}}),
                              "repeats_max = 2")};

  CHECK(output_of(turn(aut, asks("go"))).text == "I see.");
}

TEST_CASE("where no model answers the user hears what the topology says for that") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"", kit::fails(errc::failed, "no")}}),
                              R"(degraded = "Please call us.")")};

  auto a = turn(aut, asks("hello"));

  CHECK(output_of(a).text == "Please call us.");
  CHECK(output_of(a).finish == "degraded");
  CHECK(states(aut, a.id).at(1) == "error_recovery");
}

TEST_CASE("who wants a form gets it or an error, and no words in place of it") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"", kit::says("no JSON at all")}}),
                              R"(degraded = "Please call us.")")};

  auto a = turn(aut, R"({"message":"a","schema":{"type":"object"}})");

  CHECK_FALSE(a.value);
}

TEST_CASE("a call with an approval waits for a person, and the others do not") {
  kit::world w;
  kit::stage aut{
    w, desk_with(to_last({{"give", kit::calls_tools({{"refund", R"({"id":"o-1"})"},
                                                     {"orders", R"({"id":"o-1"})"}})},
                          {"shipped", kit::says("Done.")}}),
                 R"(approve = ["refund"])")};
  auto a = aut.invoke("desk", asks("give it back"));
  aut.run(10min); // it gives its memory back meanwhile
  REQUIRE_FALSE(a->ended);
  CHECK(w.total("tool:orders") == 1);
  CHECK(w.total("tool:refund") == 0);
  CHECK(any_contains(emitted(aut, a->id), R"("event":"approval.wanted","call":"call_0_0",)"
                                          R"("tool":"refund","arguments":{"id":"o-1"})"));

  (void)aut.ask<command_reply>(signal_request{a->id, "approve", R"({"approved":true})"});
  aut.run_until([&] { return a->ended; });

  CHECK(output_of(*a).text == "Done.");
  CHECK(w.total("tool:refund") == 1);
}

TEST_CASE("what a person refuses is not done, and the model hears why") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"give", kit::calls_tool("refund", R"({"id":"o-1"})")},
                                       {"refused this call, and nothing was done: too much",
                                        kit::says("I am sorry.")}}),
                              R"(approve = ["refund"])")};
  auto a = aut.invoke("desk", asks("give it back"));
  aut.run(1min);

  (void)aut.ask<command_reply>(
    signal_request{a->id, "approve", R"({"approved":false,"reason":"too much"})"});
  aut.run_until([&] { return a->ended; });

  CHECK(output_of(*a).text == "I am sorry.");
  CHECK(w.total("tool:refund") == 0);
}

TEST_CASE("an approval names its call where several wait, and what is none is passed over") {
  kit::world w;
  kit::stage aut{
    w, desk_with(to_last({{"give", kit::calls_tools({{"refund", R"({"id":"o-1"})"},
                                                     {"refund", R"({"id":"o-2"})"}})},
                          {"refunded", kit::says("The second.")}}),
                 R"(approve = ["refund"])")};
  auto a = aut.invoke("desk", asks("give both back"));
  aut.run(1min);

  for (auto value : {R"("yes please")", R"({"approved":true,"call":"call_9"})",
                     R"({"approved":true,"call":"call_0_1"})", R"({"approved":false})"}) {
    (void)aut.ask<command_reply>(signal_request{a->id, "approve", value});
    aut.run(1min);
  }

  REQUIRE(a->ended);
  CHECK(output_of(*a).text == "The second.");
  REQUIRE(w.total("tool:refund") == 1);
  CHECK(w.bodies["tool:refund"].begin()->second == R"({"id":"o-2"})");
}

TEST_CASE("where nobody decides in time the call is denied") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"give", kit::calls_tool("refund", R"({"id":"o-1"})")},
                                       {"nobody gave it in time", kit::says("Nobody was there.")}}),
                              "approve = [\"refund\"]\napprove_timeout = \"1h\"")};

  auto a = aut.invoke("desk", asks("give it back"));
  aut.run_until([&] { return a->ended; }, 2h);

  CHECK(output_of(*a).text == "Nobody was there.");
  CHECK(w.total("tool:refund") == 0);
}

TEST_CASE("a caller may keep the conversation itself and bring tools of its own") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({{"painted", kit::says("It is red now.")},
                                       {"paint", kit::calls_tool("paint", R"({"c":"red"})")}}))};
  const std::string tools = R"("tools":[{"name":"paint"}])";

  auto first = output_of(turn(aut, R"({"messages":[{"role":"user","content":"paint it"}],)" + tools + "}"));
  auto second = output_of(turn(
    aut, R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,)"
         R"("tool_calls":[{"id":"c","type":"function","function":{"name":"paint","arguments":"{}"}}]},)"
         R"({"role":"tool","tool_call_id":"c","content":"painted"}],)" + tools + "}"));

  CHECK(first.finish == "tool_calls");
  REQUIRE(first.calls.size() == 1);
  CHECK(first.calls[0].name == "paint");
  CHECK(first.calls[0].arguments == R"({"c":"red"})");
  CHECK(second.text == "It is red now.");
  CHECK(second.finish == "stop");
}

TEST_CASE("a caller may want one of its tools called, or none of them") {
  kit::world w;
  std::vector<std::string> asked;
  kit::scripted_llm model{"fast"};
  model.by([&asked](const kit::scripted_call& c) {
    asked.push_back(c.body);
    return std::optional{asked.size() <= 2 ? kit::calls_tool("paint", "{}") : kit::says("Done.")};
  });
  kit::stage aut{w, desk_with(model)};
  auto with = [](std::string_view choice) {
    return R"({"messages":[{"role":"user","content":"go"}],"tools":[{"name":"paint"}],)"
           R"("tool_choice":")"
           + std::string{choice} + "\"}";
  };

  auto required = output_of(turn(aut, with("required")));
  auto none = output_of(turn(aut, with("none")));

  CHECK(required.finish == "tool_calls");
  CHECK(none.text == "Done.");
  REQUIRE(asked.size() == 3);
  CHECK(asked[2].find("There is no tool 'paint'") != std::string::npos);
}

TEST_CASE("what a chat says is read while its tools still run") {
  kit::scripted_tool orders{"orders"};
  orders.otherwise(kit::says("shipped").after(1s));
  auto o = kit::play_text(desk());
  o.models.push_back(to_last(
    {{"where", kit::calls_tools({{"orders", R"({"id":"o-1"})"}}, "Let me look.").after(1s)},
     {"shipped", kit::says("It was shipped.")}}));
  o.tools = {orders, refunds()};
  kit::world w;
  kit::stage aut{w, std::move(o)};
  auto a = aut.invoke("desk", asks("where is o-1?"));
  aut.run_until([&] { return a->accepted; });
  auto reader = aut.env().streams->follow(a->id, [] {});
  auto texts = [&reader] {
    std::string out;
    for (const auto& c : reader.read())
      out += c.what == stream_kind::text ? c.text : c.what == stream_kind::end ? "|" : "";
    return out;
  };

  aut.run_until([&] { return w.total("tool:orders") == 1; });
  auto early = texts();
  CHECK_FALSE(a->ended);
  aut.run_until([&] { return a->ended; });

  CHECK(early == "Let me look.|");
  CHECK(texts() == "It was shipped.|");
  CHECK(output_of(*a).text == "It was shipped.");
}

TEST_CASE("a chat's answer is held to a schema where the topology has one") {
  kit::world w;
  kit::stage aut{
    w, desk_with(to_last({{"where", kit::calls_tool("orders", R"({"id":"o-1"})")},
                          {"shipped", kit::says("```json\n{\"late\": false}\n```")}}),
                 R"(output = '{"type":"object","properties":{"late":{"type":"boolean"}},"required":["late"]}')")};

  auto out = output_of(turn(aut, asks("where is o-1?")));

  CHECK(out.text == R"({"late": false})");
  CHECK(out.output_tokens > 0);
}

TEST_CASE("a chat's input is refused where it is ambiguous") {
  kit::world w;
  kit::stage aut{w, desk_with(to_last({}))};

  for (auto input : {R"({})", R"({"message":"a","messages":[{"role":"user","content":"b"}]})",
                     R"({"messages":[]})", R"({"message":"a","tools":[{"name":"x"}]})",
                     R"({"messages":[{"role":"robot","content":"b"}]})",
                     R"({"messages":[{"role":"user"}]})", R"({"messages":["b"]})",
                     R"({"message":"a","tool_choice":"required"})",
                     R"({"message":"a","temperature":3})", R"({"message":"a","max_tokens":0})",
                     R"({"messages":[{"role":"user","content":"b"}],"tools":[{"name":""}]})",
                     R"({"messages":[{"role":"user","content":"b"}],"tools":[{"name":"a b"}]})",
                     R"({"messages":[{"role":"user","content":"b"}],"tools":[{"name":"orders"}]})",
                     R"({"message":"a","schema":{"type":7}})", R"({"message":"a","schema":1})",
                     R"({"messages":[{"role":"user","content":"b"}],)"
                     R"("tools":[{"name":"x"},{"name":"x"}]})"}) {
    auto a = turn(aut, input);
    INFO(input);
    REQUIRE_FALSE(a.value);
    CHECK(a.value.error().code == errc::invalid_input);
  }
}
