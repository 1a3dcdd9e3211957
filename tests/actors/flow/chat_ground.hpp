#pragma once
// A chat agent on a stage: a shop's help desk, its tools and its model doubled.

#include "actors/flow/chat_messages.hpp"
#include "actors/flow/dispatcher_messages.hpp"
#include "tests/kit/stage.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::chat_ground {

/// `more`: further keys of the agent.
inline std::string desk(std::string_view more = {}) {
  return R"(
[agents.desk]
class = "chat"
model = "fast"
system = "You help."
tools = ["orders", "refund"]
)" + std::string{more}
         + R"(
[tools.orders]
kind = "command"
argv = ["orders"]
effect = "read"
description = "looks an order up"
input_schema = '{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}'
timeout = "2s"
attempts_max = 1

[tools.refund]
kind = "command"
argv = ["refund"]
effect = "at_most_once"
attempts_max = 1
[tools.refund.reconcile]
argv = ["refund", "--find"]

[models.fast]
kind = "openai"
model = "any"
base_url = "http://model/v1"
attempts_max = 1
)";
}

/// The content of the last message that a model double was asked with.
inline std::string last_of(const kit::scripted_call& c) {
  auto text = std::string_view{c.body};
  text.remove_suffix(text.empty() ? 0 : 1);
  return std::string{text.substr(text.rfind('\n') + 1)};
}

/// A model that answers what was said last.
inline kit::scripted_llm to_last(
  std::vector<std::pair<std::string, kit::scripted_answer>> answers) {
  kit::scripted_llm m{"fast"};
  m.by([answers = std::move(answers)](const kit::scripted_call& c) {
    auto last = last_of(c);
    for (const auto& [part, a] : answers)
      if (last.find(part) != last.npos)
        return std::optional<kit::scripted_answer>{a};
    return std::optional<kit::scripted_answer>{};
  });
  return m;
}

inline kit::scripted_tool orders_known() {
  kit::scripted_tool t{"orders"};
  t.when("o-1", kit::says_json(R"({"state":"shipped"})")).otherwise(kit::says("no such order"));
  return t;
}

inline kit::scripted_tool refunds() {
  kit::scripted_tool t{"refund"};
  t.otherwise(kit::says("refunded"));
  return t;
}

inline kit::stage_options desk_with(const kit::scripted_llm& model, std::string_view more = {}) {
  auto o = kit::play_text(desk(more));
  o.models.push_back(model);
  o.tools.push_back(orders_known());
  o.tools.push_back(refunds());
  return o;
}

inline std::string asks(std::string_view text) {
  return R"({"message":)" + to_json(text) + "}";
}

inline std::string asks(std::string_view conversation, std::string_view text) {
  return R"({"conversation":)" + to_json(conversation) + R"(,"message":)" + to_json(text) + "}";
}

/// Runs one turn to its end.
inline kit::answer turn(kit::stage& on, const std::string& input) {
  auto a = on.invoke("desk", input);
  on.run_until([&] { return a->ended || a->refused; });
  return *a;
}

/// Its output; the test fails where there is none.
inline chat_output output_of(const kit::answer& a) {
  if (!a.value)
    FAIL(to_string(a.value.error()));
  return from_json<chat_output>(*a.value).value();
}

/// What it emitted, JSON texts in order.
inline std::vector<std::string> emitted(kit::stage& on, const std::string& id) {
  std::vector<std::string> out;
  for (const auto& e : on.journal_of(id))
    if (const auto* l = std::get_if<journal::local>(&e);
        l != nullptr && l->kind == journal::effect_kind::emit)
      out.push_back(l->value.text);
  return out;
}

/// The states that a turn went through.
inline std::vector<std::string> states(kit::stage& on, const std::string& id) {
  std::vector<std::string> out;
  for (const auto& text : emitted(on, id))
    if (auto e = from_json<chat_state_event>(text); e && e->event == "state")
      out.push_back(e->state);
  return out;
}

} // namespace troupe::chat_ground
