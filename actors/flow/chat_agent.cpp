#include "actors/flow/chat_agent.hpp"

#include "actors/llm/answer.hpp"

#include <fmt/format.h>

namespace troupe::chat {
namespace {

/// Bytes of a summary: 200 words in any script.
constexpr std::size_t summary_max = 4'096;

/// Bytes of a tool's result below which it is not cut: less says nothing.
constexpr std::size_t result_bytes_min = 256;

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
      co_await ask_for_words(asks);
    } else {
      auto why = error{errc::failed, asks ? "the model asks for tools where it was told to answer"
                                          : "the model answers with nothing"};
      auto end = co_await gave_up(std::move(why));
      co_return end;
    }
  }
}

task<unit> chat_agent::open_turn() {
  if (keeps_history()) {
    auto when = co_await now();
    if (expired(kept_, when, options_.conversation_ttl))
      kept_ = {};
    kept_.spoke_at = when.time_since_epoch().count();
  }
  auto named = co_await name_tools();
  if (!named)
    co_return std::move(named).error();
  co_await go(turn_state::streaming_response);
  std::vector<kept_turn> fallen;
  if (in_.messages) {
    std::vector<std::string> all;
    for (auto& m : *in_.messages)
      all.push_back(std::move(m.text));
    kept_ = {};
    own_ = read_context(std::move(all));
    tail_ = std::move(own_.last);
    fallen = slide(own_, tokens_in(tail_), options_.window_tokens);
  } else {
    tail_.push_back(user_message(*in_.message, in_.images.value_or(std::vector<std::string>{})));
    if (keeps_history())
      fallen = slide(kept_, tokens_in(tail_), options_.window_tokens);
  }
  auto told = co_await let_go(std::move(fallen));
  if (!told)
    co_return std::move(told).error();
  lay_out();
  co_return unit{};
}

// What goes to the model before this turn.
void chat_agent::lay_out() {
  history_.clear();
  if (!in_.messages) {
    history_ = messages_of(keeps_history() ? kept_ : conversation{}, options_.system);
    return;
  }
  auto add = [this](const std::vector<std::string>& more) {
    history_.insert(history_.end(), more.begin(), more.end());
  };
  if (!options_.system.empty())
    history_.push_back(text_message("system", options_.system));
  add(own_.before);
  add(messages_of(kept_, {}));
  for (const auto& turn : own_.turns)
    add(turn);
}

// What has fallen out of the window. A conversation goes on without a summary rather than not at all;
// the model's failure stands in its own events.
task<unit> chat_agent::let_go(std::vector<kept_turn> fallen) {
  if (fallen.empty())
    co_return unit{};
  chat_window_event e;
  e.forgotten = static_cast<std::int64_t>(fallen.size());
  e.summary = !options_.summary_model.empty();
  co_await emit(e);
  if (options_.summary_model.empty())
    co_return unit{};
  conversation part; // a caller may send a hundred windows: the newest one is told
  part.window = std::move(fallen);
  (void)slide(part, 0, options_.window_tokens);
  auto call = llm(options_.summary_model).complete(summary_prompt(kept_.summary, part.window));
  auto summary = co_await std::move(call);
  if (!summary && summary.error().code == errc::cancelled)
    co_return std::move(summary).error();
  if (!summary)
    co_return unit{};
  kept_.summary = head_of(summary->text, summary_max);
  out_.input_tokens += summary->input_tokens;
  out_.output_tokens += summary->output_tokens;
  co_return unit{};
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

// First earlier turns go, then the results of this one are cut, so that no call is without its result.
// @returns whether there is less now
task<bool> chat_agent::shorten() {
  std::vector<kept_turn> fallen;
  if (in_.messages)
    fallen = halve(own_);
  else if (keeps_history())
    fallen = halve(kept_);
  if (fallen.empty() && !halve_results(tail_, result_bytes_min))
    co_return false;
  co_await go(turn_state::error_recovery);
  auto told = co_await let_go(std::move(fallen));
  if (!told)
    co_return std::move(told).error();
  lay_out();
  co_await go(turn_state::streaming_response);
  co_return true;
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
