#include "actors/flow/chat.hpp"

#include "actors/flow/chat_agent.hpp"
#include "runtime/core/digest.hpp"

#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace troupe {
namespace {

std::string behaviour_of(const agent_options& agent) {
  const auto& c = agent.chat;
  return fmt::format("{}", fmt::join(std::vector<std::string>{
                             c.model, c.system, to_json(c.approve), to_json(c.approve_timeout),
                             to_json(c.turns_max), to_json(c.tool_calls_max),
                             to_json(c.repeats_max), c.output, c.degraded,
                             to_json(c.window_tokens), c.summary_model,
                             to_json(c.conversation_ttl), to_json(c.parallel),
                             to_json(c.tool_result_max), to_json(agent.tools), agent.key},
                           "\n"));
}

} // namespace

bool is_chat(const agent_options& agent) noexcept {
  std::string_view name = agent.class_name;
  if (!name.starts_with(chat_class_word))
    return false;
  name.remove_prefix(chat_class_word.size());
  return name.empty() || name.starts_with(':');
}

bool goes_without_key(const agent_options& agent, const boost::json::object& input) {
  return is_chat(agent) && input.contains("messages");
}

std::string chat_class_name(const agent_options& agent) {
  return fmt::format("{}:{}:{:016x}", chat_class_word, agent.name,
                     short_hash(behaviour_of(agent)));
}

agent_class make_chat_class(const agent_options& agent,
                            std::shared_ptr<const tool_catalog> catalog) {
  auto shared = std::make_shared<chat::setup>();
  shared->options = agent.chat;
  shared->keyed = !agent.key.empty();
  shared->tools = agent.tools;
  shared->catalog = std::move(catalog);
  agent_class out;
  out.name = chat_class_name(agent);
  out.make = [shared]() -> std::unique_ptr<agent_base> {
    return std::make_unique<chat::chat_agent>(shared);
  };
  out.accepts = [shared](std::string_view json) -> result<void> {
    auto in = from_json<chat_input>(json);
    if (!in)
      return error{errc::invalid_input, "input: " + in.error().message};
    auto why = chat::misfit(*in);
    if (!why)
      why = chat::taken_name(*in, shared->tools);
    if (!why)
      why = chat::misspelled(*in);
    return why ? result<void>{std::move(*why)} : result<void>{};
  };
  out.input_schema = [] { return schema_of<chat_input>(); };
  out.output_schema = [] { return schema_of<chat_output>(); };
  return out;
}

} // namespace troupe
