// What a model asks for, made fit to be done and to be said to it again. See chat_agent.hpp.
//
// Models repeat ids, leave them out, call what is not there under names that no provider takes back,
// and write JSON that is none. What of it stays in the conversation must be such that the next
// question is not refused for it: the turn would die of the model's own slip.
#include "actors/flow/chat_agent.hpp"

#include "runtime/core/digest.hpp"
#include "runtime/core/schema_validator.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::chat {
namespace {

/// Calls of one answer that are looked at: what the providers allow in one message.
constexpr std::size_t calls_max = 128;

} // namespace

void chat_agent::pending::refuse(std::string why) {
  failed = !why.empty();
  words = std::move(why);
}

// Gives each an id of its own, over the turn, and a name that may be repeated to the model.
// @returns how many were too many, and are gone
std::size_t chat_agent::tidy(std::vector<wanted_call>& wanted) {
  auto dropped = wanted.size() - std::min(wanted.size(), calls_max);
  wanted.resize(wanted.size() - dropped);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto& w = wanted[i];
    auto base = w.id.empty() ? fmt::format("call_{}_{}", out_.model_calls, i) : spelling(w.id);
    w.id = base;
    for (int n = 2; !ids_.insert(w.id).second; ++n)
      w.id = with_number(base, n);
    w.type = "function";
    if (!is_callers(w.function.name))
      w.function.name = w.function.name.empty() ? "unnamed" : spelling(w.function.name);
  }
  return dropped;
}

// What becomes of each: to be done, the same as an earlier one, or words about what is wrong.
void chat_agent::prepare(std::vector<wanted_call>& wanted) {
  calls_.clear();
  std::map<std::pair<std::string, std::string>, std::size_t> first;
  for (auto& w : wanted) {
    auto p = prepared(w);
    w.function.arguments = p.arguments.empty() ? "{}" : p.arguments; // none takes back what is no JSON
    if (p.words.empty()) {
      auto known = canonical(p.arguments);
      auto one = std::pair{p.tool, known ? std::move(*known) : p.arguments};
      if (auto [at, is_new] = first.emplace(std::move(one), calls_.size()); !is_new)
        p.same_as = at->second;
    }
    calls_.push_back(std::move(p));
  }
}

chat_agent::pending chat_agent::prepared(const wanted_call& w) const {
  pending p;
  p.id = w.id;
  auto arguments = arguments_of(w.function.arguments);
  if (arguments)
    p.arguments = std::move(*arguments);
  auto known = tools_.find(w.function.name);
  if (known != tools_.end())
    p.tool = known->second;
  if (is_callers(w.function.name))
    p.refuse(arguments ? callers_misfit(w.function.name, p.arguments) : arguments.error().message);
  else if (known == tools_.end())
    p.refuse(unknown_tool_words(w.function.name, tools_));
  else if (!arguments)
    p.refuse(arguments.error().message);
  return p;
}

// What is wrong with the arguments for a tool of the caller's; empty: nothing. A schema that is none is
// the caller's affair.
std::string chat_agent::callers_misfit(std::string_view name, const std::string& arguments) const {
  for (const auto& t : *in_.tools) {
    if (t.name != name || !t.parameters)
      continue;
    auto schema = schema_validator::compile(t.parameters->text);
    auto fits = schema ? schema->validate_text(arguments) : result<void>{};
    if (!fits)
      return failure_words(error{errc::invalid_input, fits.error().message});
  }
  return {};
}

// Whether all that it wants is the caller's to do, and can be done. Else what is the caller's own waits
// until it is asked for alone.
bool chat_agent::wants_callers_tools(const std::vector<wanted_call>& wanted) {
  bool all = true;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    all = all && is_callers(wanted[i].function.name) && calls_[i].words.empty();
  if (all)
    return true;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (is_callers(wanted[i].function.name) && calls_[i].words.empty())
      calls_[i].refuse("This tool is the user's own, and nothing was done. Ask for it again in a "
                       "message without other calls.");
  return false;
}

void chat_agent::hand_over(std::vector<wanted_call>& wanted, std::string text) {
  if (in_.parallel_tool_calls == false)
    wanted.resize(1); // of the others nothing is said to anybody
  for (auto& w : wanted)
    out_.calls.push_back(
      {std::move(w.id), std::move(w.function.name), std::move(w.function.arguments)});
  out_.text = std::move(text);
  out_.finish = "tool_calls";
}

} // namespace troupe::chat
