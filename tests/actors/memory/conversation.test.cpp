#include "actors/memory/conversation.hpp"
#include "actors/memory/conversation_state.hpp"
#include "actors/memory/token_estimate.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

kept_turn spoken(std::string user, std::string assistant) {
  kept_turn t;
  t.user = std::move(user);
  t.assistant = std::move(assistant);
  return t;
}

/// Turns of 2 * (25 + 4) tokens each.
conversation of(int turns) {
  conversation c;
  c.turns = turns;
  for (int i = 0; i < turns; ++i)
    c.window.push_back(spoken(std::string(100, 'u'), std::string(100, 'a')));
  return c;
}

} // namespace

TEST_CASE("tokens are four bytes of ASCII, or one character of anything else") {
  CHECK(estimate_tokens("") == 0);
  CHECK(estimate_tokens("a") == 1);
  CHECK(estimate_tokens("abcde") == 2);
  CHECK(estimate_tokens("grün") == 2);
  CHECK(estimate_tokens("日本語") == 3);
}

TEST_CASE("a turn goes from state to state as the table says, and in no other way") {
  using enum turn_state;
  turn_machine aut;

  CHECK(aut.now() == awaiting_input);
  CHECK_FALSE(aut.go(processing_tools));
  CHECK(aut.go(streaming_response).value() == awaiting_input);
  CHECK_FALSE(aut.go(streaming_response));
  CHECK(aut.go(processing_tools).value() == streaming_response);
  CHECK_FALSE(aut.go(awaiting_input));
  CHECK(aut.go(error_recovery).value() == processing_tools);
  CHECK_FALSE(aut.go(processing_tools));
  CHECK(aut.go(streaming_response).value() == error_recovery);
  CHECK(aut.go(awaiting_input).value() == streaming_response);
  CHECK(aut.now() == awaiting_input);
}

TEST_CASE("a window slides to its half when it is too small and not before") {
  auto c = of(10);
  CHECK(tokens_in(c) == 580);

  CHECK(slide(c, 20, 600).empty());
  auto fallen = slide(c, 21, 600);

  CHECK(fallen.size() == 6);
  CHECK(c.window.size() == 4);
  CHECK(c.forgotten == 6);
  CHECK(tokens_in(c) + 21 <= 300);
}

TEST_CASE("a message that is larger than the window leaves nothing of it") {
  auto c = of(3);

  CHECK(slide(c, 10'000, 600).size() == 3);
  CHECK(c.window.empty());
}

TEST_CASE("halving takes the older half out, the last turn too") {
  auto c = of(3);

  CHECK(halve(c).size() == 2);
  CHECK(halve(c).size() == 1);
  CHECK(c.window.empty());
  CHECK(c.forgotten == 3);
}

TEST_CASE("a conversation expires after its time of silence") {
  auto c = of(1);
  c.spoke_at = std::chrono::microseconds{10s}.count();

  CHECK_FALSE(expired(c, utc_time{70s}, 60s));
  CHECK(expired(c, utc_time{71s}, 60s));
  CHECK_FALSE(expired(c, utc_time{1000h}, 0s));
  CHECK_FALSE(expired(conversation{}, utc_time{1000h}, 60s));
}

TEST_CASE("the messages of a conversation are the prompt and the summary and the window") {
  conversation c;
  c.summary = "He asked.";
  c.window.push_back(spoken("and \"now\"?", "now"));

  CHECK(messages_of(c, "You help.")
        == std::vector<std::string>{
          R"({"role":"system","content":"You help."})",
          R"({"role":"system","content":"What was said earlier in this conversation: He asked."})",
          R"({"role":"user","content":"and \"now\"?"})",
          R"({"role":"assistant","content":"now"})"});
  CHECK(messages_of(conversation{}, "").empty());
}

TEST_CASE("a summary is asked for with the one before and all that falls out") {
  auto text = summary_prompt("Before.", {spoken("one", "two")});

  CHECK(text.find("So far: Before.") != std::string::npos);
  CHECK(text.find("User: one\nAssistant: two") != std::string::npos);
}
