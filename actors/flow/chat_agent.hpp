#pragma once
// One turn of a chat: the coroutine behind `class = "chat"`. Private to this room; see chat.hpp.
//
// Its members are the turn: an instance lives for one invocation, and all of it is made anew from
// the journal after a crash. Only `kept_` outlives the turn, as the keyed agent's state.

#include "actors/flow/chat_messages.hpp"
#include "actors/flow/chat_options.hpp"
#include "actors/flow/chat_words.hpp"
#include "actors/memory/caller_context.hpp"
#include "actors/memory/conversation.hpp"
#include "actors/memory/conversation_state.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "runtime/core/agent.hpp"

#include <memory>
#include <set>

namespace troupe::chat {

/// What all turns of one agent share.
struct setup {
  chat_options options;
  bool keyed = false;
  std::vector<std::string> tools; ///< names and `server.*`
  std::shared_ptr<const tool_catalog> catalog;
};

class chat_agent final : public agent<chat_input, chat_output> {
public:
  explicit chat_agent(std::shared_ptr<const setup> shared);

  result<void> load_state(std::string_view json) override;
  std::string save_state() const override;
  bool keeps_state() const override { return keeps_history(); }

protected:
  task<chat_output> run(chat_input in) override;

private:
  /// A call of this round.
  struct pending {
    std::string id;
    std::string tool;      ///< empty: there is none of that name
    std::string arguments; ///< JSON object
    std::string words;     ///< what the model gets; empty while it is to be done
    std::optional<std::size_t> same_as; ///< an earlier one of this round, which is done for both
    bool failed = false;

    /// Not done, for this reason; nothing where there is none.
    void refuse(std::string why);
  };

  // -- the turn: chat_agent.cpp --
  task<chat::reply> ask();
  task<unit> ask_for_words(bool asks_for_tools);
  task<chat_output> answered(std::string text);
  task<chat_output> gave_up(error why);
  call_effect<reply> question();
  std::string extras() const;
  bool must_answer() const;
  bool keeps_history() const { return setup_->keyed && in_.message.has_value(); }
  emit_effect go(turn_state to);

  // -- what the model is told of earlier turns: chat_context.cpp --
  task<unit> open_turn();
  task<unit> let_go(std::vector<kept_turn> fallen);
  void lay_out();
  task<bool> shorten();

  // -- what the model asks for: chat_calls.cpp --
  std::size_t tidy(std::vector<wanted_call>& wanted);
  void prepare(std::vector<wanted_call>& wanted);
  pending prepared(const wanted_call& w) const;
  std::string callers_misfit(std::string_view name, const std::string& arguments) const;
  bool wants_callers_tools(const std::vector<wanted_call>& wanted);
  void hand_over(std::vector<wanted_call>& wanted, std::string text);

  // -- tools: chat_tools.cpp --
  task<unit> name_tools();
  task<bool> do_calls(chat::reply said);
  std::vector<std::size_t> choose();
  void tell_results(std::size_t dropped);
  task<unit> work();
  task<unit> carry_out(std::size_t i);
  task<unit> approvals(std::vector<std::size_t> waiting);
  task<unit> decided(std::size_t i, chat_approval how);
  task<unit> nobody_decided(std::vector<std::size_t> waiting);
  std::size_t meant(const std::vector<std::size_t>& waiting, const chat_approval& how) const;
  result<void> notice_loops();
  std::string offers() const;
  bool needs_approval(std::string_view tool) const;
  bool is_callers(std::string_view name) const;
  bool callers_tools_wanted() const { return in_.tool_choice != "none"; }

  std::shared_ptr<const setup> setup_;
  const chat_options& options_;
  conversation kept_;   ///< with a caller's conversation only the summary of what has left it
  caller_context own_;  ///< the caller's, without its last turn
  chat_input in_;
  chat_output out_;
  turn_machine machine_;
  std::map<std::string, std::string> tools_; ///< spelling -> name
  std::vector<std::string> history_;         ///< messages before this turn
  std::vector<std::string> tail_;            ///< and of it
  std::vector<pending> calls_;               ///< of this round
  std::vector<std::size_t> ready_;           ///< of them, those that need nobody's approval
  std::size_t next_ = 0;                     ///< of `ready_`
  std::map<std::string, std::uint32_t> seen_; ///< call, arguments and answer -> how often
  std::set<std::string> ids_;                 ///< of calls, in this turn
  bool no_more_calls_ = false;
  bool said_nothing_ = false;  ///< once in this turn
  bool without_tools_ = false; ///< it asked for them where it was told not to
};

} // namespace troupe::chat
