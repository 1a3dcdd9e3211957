#include "actors/flow/chat_agent.hpp"


#include <fmt/format.h>

namespace troupe::chat {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == text.npos;
}

} // namespace

chat_agent::chat_agent(std::shared_ptr<const setup> shared)
  : setup_(std::move(shared)), options_(setup_->options) {}

result<void> chat_agent::load_state(std::string_view json) {
  if (json.empty())
    return {};
  auto kept = from_json<conversation>(json);
  if (!kept)
    return std::move(kept).error();
  kept_ = std::move(*kept);
  return {};
}

std::string chat_agent::save_state() const {
  return kept_.turns == 0 ? std::string{} : to_json(kept_);
}

emit_effect chat_agent::go(turn_state to) {
  auto from = machine_.go(to).value(); // one that is not in the table is a bug here
  chat_state_event e;
  e.state = to_string(to);
  e.from = to_string(from);
  return emit(e);
}

task<chat_output> chat_agent::run(chat_input in) {
  in_ = std::move(in);
  if (auto wrong = misfit(in_))
    co_return std::move(*wrong);
  auto open = co_await open_turn();
  if (!open)
    co_return std::move(open).error();
  for (;;) {
    auto said = co_await ask();
    if (!said) {
      auto end = co_await gave_up(std::move(said).error());
      co_return end;
    }
    bool asks = said->tool_calls && !said->tool_calls->empty();
    if (asks && !must_answer()) {
      auto callers_turn = co_await do_calls(std::move(*said));
      if (!callers_turn) {
        auto end = co_await gave_up(std::move(callers_turn).error());
        co_return end;
      }
      if (*callers_turn)
        co_return std::move(out_);
    } else if (!is_blank(said->text)) {
      if (asks)
        out_.finish = "limit"; // it was told that there are no more
      auto end = co_await answered(std::move(said->text));
      co_return end;
    } else if (asks ? !without_tools_ : !said_nothing_ && !must_answer()) {
      auto again = co_await ask_for_words(asks);
      if (!again)
        co_return std::move(again).error();
    } else {
      auto why = error{errc::failed, asks ? "the model asks for tools where it was told to answer"
                                          : "the model answers with nothing"};
      auto end = co_await gave_up(std::move(why));
      co_return end;
    }
  }
}

// Once each: some models fall silent after a tool's result, and find their words when they are asked
// for; and some servers know no `tool_choice`, so the tools themselves must go.
task<unit> chat_agent::ask_for_words(bool asks_for_tools) {
  (asks_for_tools ? without_tools_ : said_nothing_) = true;
  co_await go(turn_state::error_recovery);
  if (!asks_for_tools)
    tail_.push_back(text_message("user", empty_answer_words));
  co_await go(turn_state::streaming_response);
  co_return unit{};
}

// Asks for less where all of it was too much. What it could not take was not charged.
task<reply> chat_agent::ask() {
  for (;;) {
    ++out_.model_calls;
    auto call = question();
    auto said = co_await std::move(call);
    if (said) {
      out_.input_tokens += said->input_tokens;
      out_.output_tokens += said->output_tokens;
      co_return said;
    }
    if (!is_too_long(said.error()))
      co_return said;
    auto less = co_await shorten();
    if (!less)
      co_return std::move(less).error();
    if (!*less)
      co_return said;
    --out_.model_calls; // it was not asked
  }
}

call_effect<reply> chat_agent::question() {
  auto items = history_;
  items.insert(items.end(), tail_.begin(), tail_.end());
  auto call
    = call_effect<reply>{journal::effect_kind::model, options_.model, extras(), std::string{}};
  auto full = std::move(call).with_items(std::move(items));
  if (in_.schema || !options_.output.empty())
    return full; // half a JSON value is of no use to anybody
  return std::move(full).streamed();
}

std::string chat_agent::extras() const {
  std::string out = R"(,"whole":true)";
  if (auto tools = without_tools_ ? std::string{} : offers(); !tools.empty()) {
    out += fmt::format(R"(,"tools":[{}])", tools);
    if (must_answer() || (tools_.empty() && !callers_tools_wanted()))
      out += R"(,"tool_choice":"none")";
    else if (in_.tool_choice == "required")
      out += R"(,"tool_choice":"required")";
  }
  if (in_.schema)
    out += R"(,"schema":)" + in_.schema->text;
  else if (!options_.output.empty())
    out += R"(,"schema":)" + options_.output;
  if (in_.temperature)
    out += R"(,"temperature":)" + to_json(*in_.temperature);
  if (in_.max_tokens)
    out += R"(,"max_tokens":)" + to_json(*in_.max_tokens);
  return out;
}

bool chat_agent::must_answer() const {
  return no_more_calls_ || out_.model_calls >= options_.turns_max;
}

task<chat_output> chat_agent::answered(std::string text) {
  if (keeps_history()) {
    kept_turn turn;
    turn.user = *in_.message;
    if (in_.images && !in_.images->empty())
      turn.user += fmt::format("\n[{} images]", in_.images->size());
    turn.assistant = text;
    ++kept_.turns;
    kept_.window.push_back(std::move(turn));
  }
  co_await go(turn_state::awaiting_input);
  if (must_answer() && out_.tool_calls_made > 0)
    out_.finish = "limit";
  out_.text = std::move(text);
  co_return std::move(out_);
}

task<chat_output> chat_agent::gave_up(error why) {
  if (machine_.now() != turn_state::error_recovery)
    co_await go(turn_state::error_recovery);
  co_await go(turn_state::awaiting_input);
  // What is too long is so tomorrow: nobody should be told to try again later. And who wants a form
  // has a program that reads it.
  if (why.code == errc::cancelled || is_too_long(why) || in_.schema || options_.degraded.empty())
    co_return std::move(why);
  out_.text = options_.degraded;
  out_.finish = "degraded";
  co_return std::move(out_);
}

} // namespace troupe::chat
