#pragma once
// One turn of a chat: the coroutine behind `class = "chat"`. Private to this room; see chat.hpp.
//
// Its members are the turn: an instance lives for one invocation, and all of it is made anew from
// the journal after a crash. Only `kept_` outlives the turn, as the keyed agent's state.

#include "actors/flow/chat_messages.hpp"
#include "actors/flow/chat_options.hpp"
#include "actors/flow/chat_words.hpp"
#include "actors/memory/conversation.hpp"
#include "actors/memory/conversation_state.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "runtime/core/agent.hpp"

#include <memory>

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
    bool failed = false;
  };

  // -- the turn: chat_agent.cpp --
  task<unit> open_turn();
  task<unit> sum_up(std::vector<kept_turn> fallen);
  task<chat::reply> ask();
  task<chat_output> answered(std::string text);
  task<chat_output> gave_up(error why);
  call_effect<reply> question();
  std::string extras() const;
  bool must_answer() const;
  bool keeps_history() const { return setup_->keyed && in_.message.has_value(); }
  emit_effect go(turn_state to);

  // -- tools: chat_tools.cpp --
  task<unit> name_tools();
  task<bool> do_calls(chat::reply said);
  pending prepare(const wanted_call& wanted) const;
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
  conversation kept_;
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
  bool no_more_calls_ = false;
};

} // namespace troupe::chat
