// What of a conversation goes to the model: its window, what falls out of it, and what is cut where
// even that is too long. See chat_agent.hpp and actors/memory.
#include "actors/flow/chat_agent.hpp"

#include "actors/llm/answer.hpp"

namespace troupe::chat {
namespace {

/// Bytes of a summary: 200 words in any script.
constexpr std::size_t summary_max = 4'096;

/// Bytes of a tool's result below which it is not cut: less says nothing.
constexpr std::size_t result_bytes_min = 256;

} // namespace

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

} // namespace troupe::chat
