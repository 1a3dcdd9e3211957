#pragma once
// `class = "chat"`: an agent from the topology alone. A model, a prompt, tools; the loop between them
// is here.
//
// The loop is short and everybody's first version of it has the same holes: it never ends, it lets a
// model's broken JSON reach the user, it runs what a person should have seen, and a crash in the
// middle calls everything again. Here each question and each call is an effect in the journal, each
// way of going wrong is bounded, and what can be put right is told to the model in words.
//
// Input, output and events: chat_messages.hpp. What is kept between turns: actors/memory.

#include "actors/flow/dispatcher_options.hpp"
#include "actors/tool/tool_catalog.hpp"
#include "runtime/core/agent.hpp"

#include <boost/json/fwd.hpp>

#include <memory>
#include <string>

namespace troupe {

/// Whether this agent is one: as the topology says it, or once it has its class.
bool is_chat(const agent_options& agent) noexcept;

/// Whether this input needs no key though the agent has one: the caller keeps the conversation, and
/// nothing is read or saved.
bool goes_without_key(const agent_options& agent, const boost::json::object& input);

/// The name under which its class is registered: of the agent and of all that makes it behave as it
/// does, so that two troupes in one process do not take each other's.
std::string chat_class_name(const agent_options& agent);

/// The class, for `register_agent`. `catalog` says what its tools are for whenever it is asked.
agent_class make_chat_class(const agent_options& agent,
                            std::shared_ptr<const tool_catalog> catalog);

} // namespace troupe
